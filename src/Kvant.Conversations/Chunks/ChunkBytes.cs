using System.Buffers.Binary;
using System.Security.Cryptography;
using Kvant.Caching;
using Kvant.Kernels;
using static Kvant.Formats.LayerFormat;

namespace Kvant.Conversations.Chunks;

/// <summary>Chunks between a cache and bytes.</summary>
internal static class ChunkBytes
{
    /// <summary>Chunks whose blocks are closed in every layer.</summary>
    /// <returns>How many; -1 where tokens were evicted that no sliding window would have forgotten.</returns>
    public static int Closed(ChunkPlan plan, KvCache cache)
    {
        cache.EnterRead();
        try
        {
            int rows = int.MaxValue;
            foreach (int layer in plan.OwnLayers)
            {
                LayerExtent extent = cache.Layers[layer].Extent;
                if (extent.Evicted || (plan.Layouts[layer].Shape.SlidingWindow == 0 && extent.FirstLive > plan.Layouts[layer].Sinks))
                    return -1;
                rows = Math.Min(rows, extent.BodyRows);
            }

            return rows / plan.Rows;
        }
        finally
        {
            cache.ExitRead();
        }
    }

    /// <summary>The beginning of the SHA-256 of what all codecs chose; zeros where none chooses.</summary>
    public static byte[] StateOf(ChunkPlan plan, LayerMemory[] layers)
    {
        if (!plan.HasState)
            return new byte[ChunkHeader.StateBytes];
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (int layer in plan.OwnLayers)
        {
            foreach (Part part in Parts(plan.Layouts[layer], plan.Extent(layer, 1), Section.State))
                hash.AppendData(BytesOf(layers[layer], Section.State, part));
        }

        return hash.GetHashAndReset()[..ChunkHeader.StateBytes];
    }

    /// <summary>Writes a chunk whose blocks are closed.</summary>
    /// <param name="plan">Where chunks begin.</param>
    /// <param name="cache">Nobody else may write to it meanwhile.</param>
    /// <param name="chunk">Its number.</param>
    /// <param name="key">Its key.</param>
    /// <param name="parent">That of the chunk before.</param>
    /// <param name="tokens">Its tokens.</param>
    /// <param name="named">What of the options' sections it has, in their order.</param>
    /// <param name="value">Receives it: <see cref="ChunkPlan.LargestChunk"/> bytes.</param>
    /// <returns>Its length.</returns>
    public static int Write(ChunkPlan plan, KvCache cache, int chunk, ChunkKey key, ChunkKey parent, ReadOnlySpan<int> tokens, IReadOnlyList<byte[]> named, Span<byte> value)
    {
        var layers = new ChunkHeader.LayerEntry[plan.OwnLayers.Length];
        ChunkHeader header = new()
        {
            Key = key,
            Parent = parent,
            Position = plan.Border(chunk),
            Tokens = tokens.ToArray(),
            State = StateOf(plan, cache.Layers),
            Recipe = plan.Recipe,
            Layers = layers,
            Named = [.. named.Zip(plan.Options.Sections, (bytes, name) => new ChunkHeader.NamedEntry(name, bytes.Length, Crc32C.Compute(bytes)))],
        };
        int at = header.Bytes;
        for (int i = 0; i < layers.Length; i++)
        {
            LayerMemory memory = cache.Layers[plan.OwnLayers[i]];
            LayerLayout layout = memory.Layout;
            // Only blocks that live as a whole.
            int dead = Math.Max(0, layout.FirstLiveRow(memory.Extent) - (chunk * plan.Rows)), first = Math.Min(plan.Rows, (dead + layout.BlockRows - 1) / layout.BlockRows * layout.BlockRows);
            int length = Copy(plan, memory, chunk, first, value[at..], toCache: false);
            layers[i] = new(first, length, Crc32C.Compute(value.Slice(at, length)));
            at += length;
        }

        foreach (byte[] bytes in named)
        {
            bytes.CopyTo(value[at..]);
            at += bytes.Length;
        }

        header.Write(value);
        return at;
    }

    /// <summary>Reads and compares all that must be right before a chunk may be used.</summary>
    /// <param name="plan">Where chunks begin.</param>
    /// <param name="chunk">Its number.</param>
    /// <param name="key">Its key.</param>
    /// <param name="parent">That of the chunk before.</param>
    /// <param name="tokens">Its tokens.</param>
    /// <param name="state">What the first chunk says of states; null for the first itself.</param>
    /// <param name="value">What a store gave.</param>
    /// <param name="header">The header, if there is nothing wrong.</param>
    public static ChunkMiss? Check(
        ChunkPlan plan, int chunk, ChunkKey key, ChunkKey parent, ReadOnlySpan<int> tokens, byte[]? state, ReadOnlySpan<byte> value, out ChunkHeader? header)
    {
        if (ChunkHeader.Read(value, out header) is { } broken)
            return broken;
        if (header!.Key != key || header.Parent != parent || header.Position != plan.Border(chunk))
            return ChunkMiss.OtherKey;
        if (!header.Tokens.AsSpan().SequenceEqual(tokens) || !header.Recipe.AsSpan().SequenceEqual(plan.Recipe))
            return ChunkMiss.OtherTokens;
        if (state is not null && !header.State.AsSpan().SequenceEqual(state))
            return ChunkMiss.OtherState;
        if (header.Layers.Length != plan.OwnLayers.Length || !header.Named.Select(entry => entry.Name).SequenceEqual(plan.Options.Sections))
            return ChunkMiss.Damaged;
        int at = header.Bytes;
        for (int i = 0; i < header.Layers.Length; i++)
        {
            (int first, int bytes) = (header.Layers[i].FirstRow, header.Layers[i].Bytes);
            int observed = chunk == 0 ? Observed(value.Slice(at, bytes)) : 0, layer = plan.OwnLayers[i];
            LayerLayout layout = plan.Layouts[layer];
            if (first > plan.Rows || first % layout.BlockRows != 0 || (first > 0 && layout.Shape.SlidingWindow == 0)
                || observed < 0 || observed > QueryEnergies.MostTokens(layout) || bytes != plan.LayerBytes(layer, chunk == 0, plan.Rows - first, observed > 0))
            {
                return ChunkMiss.Damaged;
            }

            at += bytes;
        }

        return null;
    }

    /// <summary>Puts a chunk that was checked into layers with room for it; of one that has forgotten some of its rows, what it still wants.</summary>
    public static void Load(ChunkPlan plan, int chunk, ChunkHeader header, Span<byte> value, LayerMemory[] layers)
    {
        int at = header.Bytes;
        for (int i = 0; i < header.Layers.Length; i++)
        {
            Span<byte> bytes = value.Slice(at, header.Layers[i].Bytes);
            Copy(plan, layers[plan.OwnLayers[i]], chunk, header.Layers[i].FirstRow, bytes, toCache: true);
            at += header.Layers[i].Bytes;
        }
    }

    /// <summary>The other sections of a chunk.</summary>
    public static Dictionary<string, byte[]> NamedOf(ChunkHeader header, ReadOnlySpan<byte> value)
    {
        Dictionary<string, byte[]> sections = [];
        int at = header.Bytes + header.Layers.Sum(layer => layer.Bytes);
        foreach (ChunkHeader.NamedEntry entry in header.Named)
        {
            sections[entry.Name] = value.Slice(at, entry.Bytes).ToArray();
            at += entry.Bytes;
        }

        return sections;
    }

    private static int Observed(ReadOnlySpan<byte> layer) => layer.Length < sizeof(int) ? -1 : BinaryPrimitives.ReadInt32LittleEndian(layer);

    // In this order: of the first chunk how many queries were seen, sinks, sums of queries, states; then blocks. Keys before values, head by head.
    private static int Copy(ChunkPlan plan, LayerMemory memory, int chunk, int first, Span<byte> bytes, bool toCache)
    {
        LayerLayout layout = memory.Layout;
        int at = 0, begin = chunk * plan.Rows, end = begin + plan.Rows;
        LayerExtent whole = new(layout.Sinks + end, end, layout.Sinks + begin + first, 0);
        if (chunk == 0)
            at = CopyBegin(memory, whole, bytes, toCache);

        // Rows that the layer has no page for are those that it forgot.
        int kept = layout.FirstBlockRow(memory.Extent);
        foreach (Part part in Parts(layout, whole, Section.Blocks))
        {
            int size = (int)layout.Sides[part.Side].BlockBytes(part.Count), skipped = Math.Clamp(kept - part.First, 0, part.Count);
            if (skipped < part.Count)
            {
                Part rest = part with { First = part.First + skipped, Count = part.Count - skipped };
                int dead = (int)layout.Sides[part.Side].BlockBytes(skipped);
                CopyPart(BytesOf(memory, Section.Blocks, rest), bytes.Slice(at + dead, size - dead), toCache);
            }

            at += size;
        }

        return at;
    }

    private static int CopyBegin(LayerMemory memory, LayerExtent extent, Span<byte> bytes, bool toCache)
    {
        LayerLayout layout = memory.Layout;
        int at = sizeof(int);
        if (toCache)
            memory.Queries.Restore(BinaryPrimitives.ReadInt32LittleEndian(bytes));
        QueryEnergies energies = toCache ? memory.Queries : memory.Queries.Copy(); // those who read a cache may add to them
        if (!toCache)
            BinaryPrimitives.WriteInt32LittleEndian(bytes, energies.Tokens);
        foreach (Part part in Parts(layout, extent, Section.Sinks))
            Take(BytesOf(memory, Section.Sinks, part), bytes);
        for (int head = 0; head < energies.Heads; head++)
            Take(energies.Bytes(head), bytes);
        foreach (Part part in Parts(layout, extent, Section.State))
            Take(BytesOf(memory, Section.State, part), bytes);
        return at;

        void Take(Span<byte> inCache, Span<byte> chunk)
        {
            CopyPart(inCache, chunk.Slice(at, inCache.Length), toCache);
            at += inCache.Length;
        }
    }

    private static void CopyPart(Span<byte> inCache, Span<byte> inChunk, bool toCache)
    {
        if (toCache)
            inChunk.CopyTo(inCache);
        else
            inCache.CopyTo(inChunk);
    }
}
