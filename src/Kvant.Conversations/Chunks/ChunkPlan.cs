using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Kvant.Caching;

namespace Kvant.Conversations.Chunks;

/// <summary>Where the chunks of every sequence of one kind begin, what they are called and how long they may be.</summary>
internal sealed class ChunkPlan
{
    // Forms that were met lately: those who store do not change their minds from chunk to chunk.
    private const int MostForms = 16;

    private readonly byte[] _tenant;
    private readonly Lock _lock = new();
    private readonly List<ChunkForm> _forms = [];

    /// <summary>A plan.</summary>
    /// <param name="options">What is stored, and for whom.</param>
    public ChunkPlan(PrefixOptions options)
    {
        Options = options;
        Layouts = LayerLayouts.Create(options.Cache);
        OwnLayers = [.. options.Cache.Geometry.OwnLayers];
        Recipe = ChunkRecipe.Write(options);
        Stored = ChunkForm.Stored(this);
        HasState = OwnLayers.Any(layer => Layouts[layer].Sides.Any(side => side.Codec.StateBytes > 0));
        HasWindows = OwnLayers.Any(layer => Layouts[layer].Shape.SlidingWindow > 0);
        _tenant = Encoding.UTF8.GetBytes(options.Tenant);
        _ = LargestChunk(0); // refused here if it is too long
        foreach (int layer in OwnLayers)
            RequireLongWindow(layer);
    }

    public PrefixOptions Options { get; }

    /// <summary>Where the rows of each layer lie.</summary>
    public LayerLayout[] Layouts { get; }

    /// <summary>The layers that have rows of their own.</summary>
    public int[] OwnLayers { get; }

    /// <summary>What all chunks have in common: <see cref="ChunkRecipe"/>.</summary>
    public byte[] Recipe { get; }

    /// <summary>The form of chunks that are as they were stored.</summary>
    public ChunkForm Stored { get; }

    /// <summary>Whether a codec chooses something from the first rows.</summary>
    public bool HasState { get; }

    /// <summary>Whether a layer forgets what no query will see again.</summary>
    public bool HasWindows { get; }

    /// <summary>Rows of a chunk in each layer: its tokens, but for the sinks that the first has besides.</summary>
    public int Rows => Options.ChunkTokens;

    /// <summary>How many whole chunks some tokens make.</summary>
    public int Count(int tokens) => Math.Max(0, tokens - Options.Cache.Sinks) / Rows;

    /// <summary>Where a chunk begins, which is where the one before ends.</summary>
    public int Border(int chunk) => chunk == 0 ? 0 : checked(Options.Cache.Sinks + (chunk * Rows));

    /// <summary>The number of the chunk that has the position of a header, or comes before it.</summary>
    public int NumberOf(ChunkHeader header) => Math.Max(0, header.Position - Options.Cache.Sinks) / Rows;

    /// <summary>The form that a recipe names; null where it belongs to no chunk of this kind.</summary>
    public ChunkForm? FormOf(ReadOnlySpan<byte> recipe)
    {
        if (recipe.SequenceEqual(Recipe))
            return Stored;
        if (!recipe.StartsWith(Recipe))
            return null;
        lock (_lock)
        {
            foreach (ChunkForm known in _forms)
            {
                if (recipe.SequenceEqual(known.Recipe))
                    return known;
            }
        }

        if (ChunkForm.Read(this, recipe) is not { } form)
            return null;
        lock (_lock)
        {
            if (_forms.Count == MostForms)
                _forms.RemoveAt(0);
            _forms.Add(form);
        }

        return form;
    }

    /// <summary>The tokens of a chunk.</summary>
    public ReadOnlySpan<int> Tokens(ReadOnlySpan<int> sequence, int chunk) => sequence[Border(chunk)..Border(chunk + 1)];

    /// <summary>The key of a chunk: SHA-256 over tag, tenant, recipe, the parent's key and the tokens, each behind its length.</summary>
    /// <param name="parent">The key of the chunk before; all zeros for the first.</param>
    /// <param name="tokens">The chunk's own.</param>
    public ChunkKey KeyOf(ChunkKey parent, ReadOnlySpan<int> tokens)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> number = stackalloc byte[sizeof(ulong)], bytes = stackalloc byte[ChunkKey.ByteLength];
        parent.CopyTo(bytes);
        Add(hash, "kvant chunk 1"u8, number);
        Add(hash, _tenant, number);
        Add(hash, Recipe, number);
        Add(hash, bytes, number);
        Length(hash, tokens.Length * sizeof(int), number);
        if (BitConverter.IsLittleEndian)
            hash.AppendData(MemoryMarshal.AsBytes(tokens));
        for (int i = 0; i < tokens.Length && !BitConverter.IsLittleEndian; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(number, tokens[i]);
            hash.AppendData(number[..sizeof(int)]);
        }

        hash.GetHashAndReset(bytes);
        return new ChunkKey(bytes);
    }

    /// <summary>The keys of all whole chunks of a sequence.</summary>
    public ChunkKey[] KeysOf(ReadOnlySpan<int> sequence)
    {
        var keys = new ChunkKey[Count(sequence.Length)];
        for (int chunk = 0; chunk < keys.Length; chunk++)
            keys[chunk] = KeyOf(chunk == 0 ? default : keys[chunk - 1], Tokens(sequence, chunk));
        return keys;
    }

    /// <summary>Bytes of a layer of a chunk.</summary>
    /// <param name="layer">One with rows of its own.</param>
    /// <param name="first">Whether it is the first chunk.</param>
    /// <param name="rows">Rows of it that are stored.</param>
    /// <param name="observed">Whether sums of queries are stored.</param>
    /// <param name="form">The codecs of the blocks; null for those that are stored.</param>
    public long LayerBytes(int layer, bool first, int rows, bool observed, ChunkForm? form = null)
    {
        LayerLayout layout = Layouts[layer];
        long bytes = (form ?? Stored).BlockBytes(this, layer, rows);
        foreach (SideLayout side in first ? layout.Sides : [])
            bytes += layout.Heads * (((long)layout.Sinks * side.RowBytes) + side.Codec.StateBytes);
        return bytes + (first ? sizeof(int) : 0) + (observed ? (long)sizeof(double) * layout.Heads * layout.Sides[0].Dimension : 0);
    }

    /// <summary>The most bytes that a chunk can have.</summary>
    /// <exception cref="ArgumentException">No array is so long.</exception>
    public int LargestChunk(int chunk)
    {
        long bytes = ChunkHeader.LargestBytes(this) + OwnLayers.Sum(layer => LayerBytes(layer, chunk == 0, Rows, chunk == 0 && QueryEnergies.MostTokens(Layouts[layer]) > 0))
            + ((long)Options.Sections.Count * Options.LargestSection);
        return bytes <= Array.MaxLength ? (int)bytes
            : throw new ArgumentException($"Chunks of {Rows} tokens of this cache may take {bytes} bytes; at most {Array.MaxLength} are possible.", nameof(chunk));
    }

    /// <summary>What a layer is once some chunks are in place and nothing else.</summary>
    /// <param name="layer">One with rows of its own.</param>
    /// <param name="chunks">How many, at least 1.</param>
    /// <param name="firstRow">From which row on it has all rows.</param>
    public LayerExtent Extent(int layer, int chunks, int firstRow = 0)
    {
        LayerLayout layout = Layouts[layer];
        int length = Border(chunks), window = layout.Shape.SlidingWindow;
        long seen = window == 0 ? 0 : (long)length - window - Options.Cache.DraftTokens;
        return new(length, chunks * Rows, (int)Math.Max(layout.Sinks + firstRow, seen), 0);
    }

    // When a chunk is closed its first row must still be there, or no sequence that ends behind it has all that its windows want.
    private void RequireLongWindow(int layer)
    {
        LayerLayout layout = Layouts[layer];
        long wanted = (long)Rows + Options.Cache.Window + layout.BlockRows - 1;
        if (layout.Shape.SlidingWindow > 0 && layout.Shape.SlidingWindow < wanted)
        {
            throw new ArgumentException(
                $"Layer {layer} forgets what is more than {layout.Shape.SlidingWindow} tokens back, before chunks of {Rows} tokens are closed; with these options {wanted} is the shortest sliding window that can be stored.", nameof(layer));
        }
    }

    private static void Add(IncrementalHash hash, ReadOnlySpan<byte> bytes, Span<byte> number)
    {
        Length(hash, bytes.Length, number);
        hash.AppendData(bytes);
    }

    private static void Length(IncrementalHash hash, int length, Span<byte> number)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(number, (ulong)length);
        hash.AppendData(number);
    }
}
