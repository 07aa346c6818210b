using System.Text;
using Kvant.LlamaCpp.States;

namespace Kvant.LlamaCpp;

/// <summary>
/// A state that llama.cpp wrote, in memory or in a file, with its outline read and checked to the last byte: which tokens lie in which cells, and where the rows of each layer are. Rows stay
/// where they are. docs/llamacpp.md says which versions of llama.cpp write what.
/// </summary>
/// <remarks>Nothing in a state is trusted: a count is believed where the bytes are there that it counts, and a state of which something is left over, or too little there, is refused.</remarks>
public sealed class LlamaState
{
    /// <summary>The first four bytes of a sequence in memory.</summary>
    internal const uint SequenceMagic = 0xaf143cd8;

    /// <summary>Of a sequence file, <c>ggsq</c>.</summary>
    internal const uint SequenceFileMagic = 0x67677371;

    /// <summary>Of a session file, <c>ggsn</c>.</summary>
    internal const uint SessionFileMagic = 0x6767736e;

    /// <summary>The version of a sequence file that is known.</summary>
    internal const int SequenceFileVersion = 2;

    /// <summary>The version of a session file that is known.</summary>
    internal const int SessionFileVersion = 9;

    /// <summary>Bytes of the longest name of an architecture.</summary>
    internal const int LongestName = 64;

    private const int MostParts = 4;

    private LlamaState(StateReader reader)
    {
        Reader = reader;
        ReadHead(reader);
        PartsAt = reader.Position;
        Parts = ReadParts(reader);
    }

    /// <summary>What it was written as.</summary>
    public LlamaStateKind Kind { get; private set; }

    /// <summary>Whether it is that of a whole context; else of one sequence.</summary>
    public bool IsWhole => Kind is LlamaStateKind.Context or LlamaStateKind.SessionFile;

    /// <summary>The name of the model's architecture, such as <c>llama</c>; null in states of one sequence, which do not say.</summary>
    public string? Architecture { get; private set; }

    /// <summary>The number that a sequence in memory had; 0 where nobody said.</summary>
    public int Sequence { get; private set; }

    /// <summary>The tokens that were saved with it; none in memory.</summary>
    public IReadOnlyList<int> Tokens => TokenArray;

    /// <summary>Bytes of the whole state.</summary>
    public long Length => Reader.Length;

    /// <summary>Cells of all its caches that hold a token.</summary>
    public long Cells => Parts.OfType<AttentionPart>().Sum(part => part.Cells);

    internal int[] TokenArray { get; private set; } = [];

    internal StateReader Reader { get; }

    internal List<StatePart> Parts { get; }

    // Where the first part begins.
    internal long PartsAt { get; }

    /// <summary>Reads the outline of a state and checks it.</summary>
    /// <param name="stream">From where it stands to its end; it must seek, and stay open as long as the state is used.</param>
    /// <exception cref="InvalidDataException">It is no state that is known, damaged, cut off, or of a kind that is not taken; the message says where and what.</exception>
    /// <exception cref="ArgumentException">The stream cannot seek.</exception>
    public static LlamaState Read(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        try
        {
            return new LlamaState(new StateReader(stream));
        }
        catch (OverflowException)
        {
            throw StateReader.Error("it claims more bytes than can be counted", 0);
        }
    }

    private void ReadHead(StateReader reader)
    {
        uint magic = (uint)reader.Int32("the first bytes");
        switch (magic)
        {
            case SequenceMagic:
                (Kind, Sequence) = (LlamaStateKind.Sequence, reader.Count(CellTable.MostSequences - 1, "as the number of a sequence"));
                return;
            case SequenceFileMagic or SessionFileMagic:
                (Kind, int known) = magic == SequenceFileMagic ? (LlamaStateKind.SequenceFile, SequenceFileVersion) : (LlamaStateKind.SessionFile, SessionFileVersion);
                if (reader.Int32("the version") is var version && version != known)
                    throw StateReader.Error($"a {(magic == SequenceFileMagic ? "sequence" : "session")} file of version {version}; version {known} is known", 4);
                TokenArray = new int[reader.Count(reader.Rest / sizeof(int), "tokens")];
                foreach (ref int token in TokenArray.AsSpan())
                    token = reader.Int32("tokens");
                break;
            default:
                (Kind, reader.Position) = (LlamaStateKind.Context, 0);
                break;
        }

        if (IsWhole)
            Architecture = ReadName(reader);
    }

    private static string ReadName(StateReader reader)
    {
        long at = reader.Position;
        int length = reader.Int32("the architecture");
        if (length is < 1 or > LongestName)
            throw StateReader.Error($"neither a magic number nor the length of an architecture's name: {length:x8}", at);
        ReadOnlySpan<byte> name = reader.Take(length, "the architecture");
        return name.ContainsAnyExceptInRange((byte)' ', (byte)'~') ? throw StateReader.Error("an architecture's name that is not text", at) : Encoding.ASCII.GetString(name);
    }

    private List<StatePart> ReadParts(StateReader reader)
    {
        long start = reader.Position;
        try
        {
            return ReadParts(reader, extraBytes: 0);
        }
        catch (InvalidDataException)
        {
            // Whether it is one of those that are known and not taken.
            foreach (int extra in (int[])[8, 12, 4])
            {
                try
                {
                    reader.Position = start;
                    _ = ReadParts(reader, extra);
                }
                catch (InvalidDataException)
                {
                    continue;
                }

                throw new InvalidDataException($"a state of llama.cpp whose cells carry {extra} more bytes each{(extra >= 8 ? ": positions in two dimensions (M-RoPE), which are not taken" : ", which are not taken")}");
            }

            throw;
        }
    }

    // Which parts there are is not said: caches one after the other, and what is not one is a recurrent part, which is the last.
    private List<StatePart> ReadParts(StateReader reader, int extraBytes)
    {
        List<StatePart> parts = [];
        do
        {
            if (parts.Count == MostParts)
                throw StateReader.Error($"{reader.Rest} bytes are left over", reader.Position);
            long start = reader.Position;
            try
            {
                parts.Add(AttentionPart.Read(reader, IsWhole, extraBytes));
            }
            catch (InvalidDataException notAttention)
            {
                try
                {
                    reader.Position = start;
                    parts.Add(RecurrentPart.Read(reader, IsWhole));
                }
                catch (InvalidDataException)
                {
                    throw new InvalidDataException(notAttention.Message);
                }
            }
        }
        while (reader.Rest > 0);
        return parts;
    }
}
