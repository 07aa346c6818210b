using System.Buffers.Binary;
using Kvant.Caching;
using Kvant.Kernels;
using Kvant.LlamaCpp.Compression;
using Kvant.LlamaCpp.States;

namespace Kvant.LlamaCpp;

/// <summary>
/// A state of llama.cpp, compressed: a stream that is written and read from front to back, with a layer in memory at a time. docs/formats/llama-state.md describes the bytes. What comes back has
/// the outline that was saved, so llama.cpp takes it as its own; nothing of it is written before the checksum of what it comes from is right.
/// </summary>
public sealed class LlamaStateFile
{
    /// <summary>The version that is written; another one is refused with its number.</summary>
    internal const int Version = 1;

    // Tokens and cells of a million tokens take a part of it.
    private const int MostHeaderBytes = 1 << 28;
    private const int PreludeBytes = 16;

    private readonly Stream _source;
    private bool _isRead;

    private LlamaStateFile(Stream source, string name, StateHeader header) => (_source, Name, Header) = (source, name, header);

    /// <summary>What it was written as.</summary>
    public LlamaStateKind Kind => Header.Kind;

    /// <summary>Whether it is that of a whole context; else of one sequence.</summary>
    public bool IsWhole => Kind is LlamaStateKind.Context or LlamaStateKind.SessionFile;

    /// <summary>The name of the model's architecture; null in states of one sequence.</summary>
    public string? Architecture => Header.Architecture;

    /// <summary>What it belongs to; texts that nobody said are null.</summary>
    public CacheIdentity Identity => Header.Identity;

    /// <summary>The tokens that it is of; none where nobody said.</summary>
    public IReadOnlyList<int> Tokens => Header.Tokens;

    /// <summary>Cells of all its caches that hold a token.</summary>
    public long Cells => Header.Parts.OfType<AttentionPart>().Sum(part => part.Cells);

    /// <summary>Bytes of the state that comes back.</summary>
    public long StateBytes { get; private init; }

    internal string Name { get; }

    internal StateHeader Header { get; }

    private static ReadOnlySpan<byte> Magic => "KVANTLCS"u8;

    /// <summary>Compresses a state.</summary>
    /// <param name="state">The state; its stream is read here.</param>
    /// <param name="destination">Receives the bytes, front to back; it need not seek.</param>
    /// <param name="options">How; null for the preset <c>balanced</c>.</param>
    /// <param name="done">Is told which share is done, from 0 to 1.</param>
    /// <param name="cancellation">Stops between layers.</param>
    /// <exception cref="ArgumentException">The policy has another number of layers, the model another shape, or a codec does not take the dimension; nothing was written.</exception>
    public static void Compress(LlamaState state, Stream destination, LlamaStateOptions? options = null, IProgress<double>? done = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(destination);
        options ??= new();
        byte[] header = new StateHeader(state.Kind, state.Sequence, state.Architecture, options.Identity ?? new(), [.. options.Tokens ?? state.Tokens], state.Parts).ToBytes();
        if (header.Length > MostHeaderBytes)
            throw new ArgumentException($"Tokens and cells take {header.Length} bytes; at most {MostHeaderBytes} are possible.", nameof(state));
        new StateCompression(state, options, destination, done, cancellation).Run(() =>
        {
            byte[] bytes = new byte[PreludeBytes + header.Length + sizeof(uint)];
            Magic.CopyTo(bytes);
            BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), Version);
            BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(12), header.Length);
            header.CopyTo(bytes.AsSpan(PreludeBytes));
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(PreludeBytes + header.Length), Crc32C.Compute(bytes.AsSpan(0, PreludeBytes + header.Length)));
            destination.Write(bytes);
        });
    }

    /// <summary>Reads the header of a compressed state.</summary>
    /// <param name="source">Stands at its first byte; it need not seek.</param>
    /// <param name="name">What messages call it.</param>
    /// <exception cref="InvalidDataException">It is none, of another version, or damaged.</exception>
    public static LlamaStateFile Open(Stream source, string name = "the state")
    {
        ArgumentNullException.ThrowIfNull(source);
        byte[] prelude = new byte[PreludeBytes];
        Frames.ReadExactly(source, name, prelude);
        if (!prelude.AsSpan(0, Magic.Length).SequenceEqual(Magic))
            throw new InvalidDataException($"{name}: no compressed state of llama.cpp: it does not begin with '{System.Text.Encoding.ASCII.GetString(Magic)}'");
        int version = BinaryPrimitives.ReadInt32LittleEndian(prelude.AsSpan(8)), length = BinaryPrimitives.ReadInt32LittleEndian(prelude.AsSpan(12));
        if (version != Version)
            throw new InvalidDataException($"{name}: a compressed state of version {version}; version {Version} is known");
        if (length is < 0 or > MostHeaderBytes)
            throw new InvalidDataException($"{name}: a header of {length} bytes; at most {MostHeaderBytes} are possible");
        byte[] header = Frames.ReadGrowing(source, name, length), checksum = new byte[sizeof(uint)];
        Frames.ReadExactly(source, name, checksum);
        uint found = Crc32C.Append(Crc32C.Compute(prelude), header), wanted = BinaryPrimitives.ReadUInt32LittleEndian(checksum);
        if (found != wanted)
            throw new InvalidDataException($"{name}: the header is damaged: its checksum is {found:x8}; {wanted:x8} is written behind it");
        try
        {
            var file = new LlamaStateFile(source, name, StateHeader.Parse(header));
            return new(source, name, file.Header) { StateBytes = file.BytesFor(new()) };
        }
        catch (Exception refused) when (refused is FormatException or OverflowException)
        {
            throw new InvalidDataException($"{name}: the header: {refused.Message}", refused);
        }
    }

    /// <summary>Whether bytes begin as a compressed state does.</summary>
    /// <param name="start">The first bytes, eight or more.</param>
    public static bool IsCompressed(ReadOnlySpan<byte> start) => start.StartsWith(Magic);

    /// <summary>Writes the state as llama.cpp wrote it: in outline the same bytes, rows as their codecs decode them. May be called once, instead of <see cref="Verify"/>.</summary>
    /// <param name="destination">Receives it from where it stands; it must seek. What was written before an error means nothing.</param>
    /// <param name="threads">Threads that decode, at least 1; 0 for as many as there are processors.</param>
    /// <param name="done">Is told which share is done, from 0 to 1.</param>
    /// <param name="cancellation">Stops between layers.</param>
    /// <exception cref="InvalidDataException">A part is damaged.</exception>
    /// <exception cref="ArgumentException">The destination cannot seek.</exception>
    public void Restore(Stream destination, int threads = 0, IProgress<double>? done = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(destination);
        if (!destination.CanSeek)
            throw new ArgumentException("Keys and values stand apart in a state: a stream that seeks is wanted.", nameof(destination));
        Read(destination, new(), threads, done, cancellation);
    }

    /// <summary>Reads everything once and checks it. May be called once, instead of <see cref="Restore"/>.</summary>
    /// <param name="threads">Threads that decode, at least 1; 0 for as many as there are processors.</param>
    /// <param name="cancellation">Stops between layers.</param>
    /// <exception cref="InvalidDataException">A part is damaged.</exception>
    public void Verify(int threads = 0, CancellationToken cancellation = default) => Read(null, new(), threads, null, cancellation);

    /// <summary>Bytes of the state that a context wants.</summary>
    /// <exception cref="InvalidDataException">It cannot be had that way.</exception>
    internal long BytesFor(StateTarget target) => new StateRestoring(this, target, default).Length();

    internal void Read(Stream? destination, StateTarget target, int threads, IProgress<double>? done, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        if (_isRead)
            throw new InvalidOperationException("The file was read already; open it again.");
        _isRead = true;
        try
        {
            new StateRestoring(this, target, cancellation).Run(_source, destination, threads == 0 ? Environment.ProcessorCount : threads, done);
        }
        catch (OverflowException)
        {
            throw new InvalidDataException($"{Name}: it claims more bytes than can be counted");
        }
    }
}
