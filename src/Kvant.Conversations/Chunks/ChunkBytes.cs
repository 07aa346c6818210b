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
            foreach (Part part in StatesOf(plan.Layouts[layer], plan.Extent(layer, 1)))
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
        ChunkForm form = FormOf(plan, cache, chunk);
        ChunkHeader header = new()
        {
            Key = key,
            Parent = parent,
            Position = plan.Border(chunk),
            Tokens = tokens.ToArray(),
            State = StateOf(plan, cache.Layers),
            Recipe = form.Recipe,
            Layers = layers,
            Named = [.. named.Zip(plan.Options.Sections, (bytes, name) => new ChunkHeader.NamedEntry(name, bytes.Length, Crc32C.Compute(bytes)))],
        };
        int at = header.Bytes;
        for (int i = 0; i < layers.Length; i++)
        {
            LayerMemory memory = cache.Layers[plan.OwnLayers[i]];
            LayerLayout layout = memory.Layout;
            // Only blocks that live as a whole.
            int dead = Math.Max(0, layout.FirstLiveRow(memory.Extent) - (chunk * plan.Rows)), unit = form.BlockRows(plan, plan.OwnLayers[i]), first = Math.Min(plan.Rows, (dead + unit - 1) / unit * unit);
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
        if (!header.Tokens.AsSpan().SequenceEqual(tokens) || !header.Recipe.AsSpan().StartsWith(plan.Recipe))
            return ChunkMiss.OtherTokens;
        if (plan.FormOf(header.Recipe) is not { } form)
            return ChunkMiss.Damaged;
        header.Form = form;
        if (state is not null && !header.State.AsSpan().SequenceEqual(state))
            return ChunkMiss.OtherState;
        return header.Named.Select(entry => entry.Name).SequenceEqual(plan.Options.Sections) && AreWhole(plan, header, chunk == 0, value) ? null : ChunkMiss.Damaged;
    }

    /// <summary>Whether a chunk, of which nothing is known but what it says, is one of its plan: where it begins, how many tokens it has, how long its layers are.</summary>
    public static bool IsWhole(ChunkPlan plan, ChunkHeader header, ReadOnlySpan<byte> value)
    {
        int chunk = plan.NumberOf(header);
        return header.Position == plan.Border(chunk) && header.Tokens.Length == plan.Border(chunk + 1) - header.Position && AreWhole(plan, header, chunk == 0, value);
    }

    // Whether the layers of a chunk are as long as its form wants them.
    private static bool AreWhole(ChunkPlan plan, ChunkHeader header, bool first, ReadOnlySpan<byte> value)
    {
        int at = header.Bytes;
        for (int i = 0; i < header.Layers.Length && header.Layers.Length == plan.OwnLayers.Length; i++)
        {
            (int firstRow, int bytes) = (header.Layers[i].FirstRow, header.Layers[i].Bytes);
            int observed = first ? Observed(value.Slice(at, bytes)) : 0, layer = plan.OwnLayers[i];
            LayerLayout layout = plan.Layouts[layer];
            if (firstRow > plan.Rows || firstRow % header.Form!.BlockRows(plan, layer) != 0 || (firstRow > 0 && layout.Shape.SlidingWindow == 0)
                || observed < 0 || observed > QueryEnergies.MostTokens(layout) || bytes != plan.LayerBytes(layer, first, plan.Rows - firstRow, observed > 0, header.Form))
            {
                return false;
            }

            at += bytes;
        }

        return header.Layers.Length == plan.OwnLayers.Length;
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

    /// <summary>Whether all chunks of a cache can be written: rows that were coded again since have codecs that need no choice, or have that of those under which they are stored.</summary>
    public static bool CanWrite(ChunkPlan plan, KvCache cache)
    {
        cache.EnterRead();
        try
        {
            return plan.OwnLayers.All(layer => CanWrite(cache.Layers[layer]));
        }
        finally
        {
            cache.ExitRead();
        }
    }

    private static bool CanWrite(LayerMemory memory)
    {
        LayerLayout layout = memory.Layout;
        for (int step = 1; step < layout.Steps.Length; step++)
        {
            if (memory.Extent.End(step) == memory.Extent.End(step + 1))
                continue;
            if (layout.Shape.SlidingWindow > 0 && layout.Steps[step].BlockRows > layout.BlockRows)
                return false;
            for (int side = 0; side < layout.Sides.Length; side++)
            {
                for (int head = 0; head < layout.Heads; head++)
                {
                    if (memory.Codec(step, side, head) is { StateBytes: > 0 } codec && !codec.State.SequenceEqual(memory.Codec(0, side, head).State))
                        return false;
                }
            }
        }

        return true;
    }

    // The form that the oldest rows of a chunk have in each layer.
    private static ChunkForm FormOf(ChunkPlan plan, KvCache cache, int chunk) => Array.TrueForAll(plan.OwnLayers, layer => cache.Layers[layer].Layout.Steps.Length == 1) ? plan.Stored
        : new(plan, [.. cache.Layers.Select(memory => memory.Layout.Steps[memory.Layout.StepOf(memory.Extent, chunk * plan.Rows)].Specs)]);

    // In this order: of the first chunk how many queries were seen, sinks, sums of queries, states; then blocks. Keys before values, head by head.
    private static int Copy(ChunkPlan plan, LayerMemory memory, int chunk, int first, Span<byte> bytes, bool toCache)
    {
        LayerLayout layout = memory.Layout;
        int at = 0, begin = chunk * plan.Rows, end = begin + plan.Rows, step = layout.StepOf(memory.Extent, begin);
        StepEnds older = default;
        ((Span<int>)older)[..step].Fill(end);
        LayerExtent whole = new LayerExtent(layout.Sinks + end, end, layout.Sinks + begin + first, 0).With(older);
        if (chunk == 0)
            at = CopyBegin(memory, whole, bytes, toCache);

        // Rows that the layer has no page for are those that it forgot.
        int kept = layout.FirstBlockRow(memory.Extent);
        foreach (Part part in Parts(layout, whole, Section.Blocks))
        {
            SideLayout side = layout.Steps[step].Sides[part.Side];
            int size = (int)side.BlockBytes(part.Count), skipped = Math.Clamp(kept - part.First, 0, part.Count);
            if (skipped < part.Count)
            {
                Part rest = part with { First = part.First + skipped, Count = part.Count - skipped };
                Span<byte> inChunk = bytes.Slice(at + (int)side.BlockBytes(skipped), (int)side.BlockBytes(rest.Count));
                if (toCache)
                    inChunk.CopyTo(BytesOf(memory, Section.Blocks, rest));
                else
                    ReadRows(memory, rest, inChunk);
            }

            at += size;
        }

        return at;
    }

    // Rows of a chunk whose oldest rows are in a step; newer ones may be in newer steps, where somebody coded again as many tokens as he liked, and are coded for that one here.
    private static void ReadRows(LayerMemory memory, Part part, Span<byte> inChunk)
    {
        LayerLayout layout = memory.Layout;
        StepLayout step = layout.Steps[part.Step];
        for (int row = part.First, end = part.First + part.Count, next; row < end; row = next)
        {
            int from = layout.StepOf(memory.Extent, row);
            next = Math.Min(end, memory.Extent.End(from));
            Span<byte> rows = inChunk[..(int)step.Sides[part.Side].BlockBytes(next - row)];
            ReadOnlySpan<byte> blocks = memory.Body(from, part.Side, part.Head, row, next - row);
            if (layout.Steps[from].SpecOf(part.Side) == step.SpecOf(part.Side))
                blocks.CopyTo(rows);
            else
                ChunkRecoding.Rows(memory.Codec(from, part.Side, part.Head), memory.Codec(part.Step, part.Side, part.Head), row, blocks, rows);
            inChunk = inChunk[rows.Length..];
        }
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
        foreach (Part part in StatesOf(layout, extent))
            Take(BytesOf(memory, Section.State, part), bytes);
        // Codecs of blocks that were coded again choose nothing for themselves.
        foreach (Part part in toCache ? Parts(layout, extent, Section.State).Where(part => part.Step > 0) : [])
            memory.State(0, part.Side, part.Head).CopyTo(BytesOf(memory, Section.State, part));
        return at;

        void Take(Span<byte> inCache, Span<byte> chunk)
        {
            Span<byte> inChunk = chunk.Slice(at, inCache.Length);
            if (toCache)
                inChunk.CopyTo(inCache);
            else
                inCache.CopyTo(inChunk);
            at += inCache.Length;
        }
    }

    // What codecs chose under which the sequence is stored.
    private static IEnumerable<Part> StatesOf(LayerLayout layout, LayerExtent extent) => Parts(layout, extent, Section.State).Where(part => part.Step == 0);
}
