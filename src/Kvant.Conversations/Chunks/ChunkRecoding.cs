using System.Runtime.ExceptionServices;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Kernels;

namespace Kvant.Conversations.Chunks;

/// <summary>
/// Codes the blocks of a stored chunk again: each is decoded and encoded with another codec, as <see cref="KvCache.Recode"/> does in a cache, to the same bytes. Key, tokens, states, sinks and all
/// other sections stay.
/// </summary>
internal static class ChunkRecoding
{
    /// <summary>Bytes that a chunk would have in another form.</summary>
    public static long Length(ChunkPlan plan, ChunkHeader header, long length, ChunkForm to) =>
        length + to.Recipe.Length - header.Recipe.Length + BlockBytes(plan, header, to) - BlockBytes(plan, header, header.Form!);

    /// <summary>Bytes that the blocks of a chunk would have in a form.</summary>
    public static long BlockBytes(ChunkPlan plan, ChunkHeader header, ChunkForm form) => header.Layers.Index().Sum(layer => form.BlockBytes(plan, plan.OwnLayers[layer.Index], plan.Rows - layer.Item.FirstRow));

    /// <summary>Writes a chunk in another form. Layers know nothing of each other: half of the processors code them, so that whoever waits for room does not wait long and others have the rest.</summary>
    /// <param name="plan">Its sequence.</param>
    /// <param name="header">Its header, which was checked.</param>
    /// <param name="value">All of it.</param>
    /// <param name="codecs">Of its sequence.</param>
    /// <param name="to">The form.</param>
    /// <returns>The chunk.</returns>
    /// <exception cref="ArgumentException">The blocks, or what codecs chose, are such as no cache wrote.</exception>
    public static byte[] Run(ChunkPlan plan, ChunkHeader header, byte[] value, SequenceCodecs codecs, ChunkForm to)
    {
        byte[] coded = new byte[Length(plan, header, value.Length, to)];
        var layers = new ChunkHeader.LayerEntry[header.Layers.Length];
        ChunkHeader headerOfCoded = header.With(to.Recipe, layers);
        int[] from = new int[layers.Length + 1], at = new int[layers.Length + 1];
        (from[0], at[0]) = (header.Bytes, headerOfCoded.Bytes);
        for (int i = 0; i < layers.Length; i++)
        {
            int layer = plan.OwnLayers[i], rows = plan.Rows - header.Layers[i].FirstRow;
            (from[i + 1], at[i + 1]) = (from[i] + header.Layers[i].Bytes, at[i] + header.Layers[i].Bytes + (int)(to.BlockBytes(plan, layer, rows) - header.Form!.BlockBytes(plan, layer, rows)));
        }

        try
        {
            Parallel.For(0, layers.Length, new ParallelOptions { MaxDegreeOfParallelism = Math.Max(1, Environment.ProcessorCount / 2) }, i =>
            {
                Span<byte> place = coded.AsSpan(at[i]..at[i + 1]);
                Layer(plan, header, i, value.AsSpan(from[i]..from[i + 1]), codecs, to, place);
                layers[i] = new(header.Layers[i].FirstRow, place.Length, Crc32C.Compute(place));
            });
        }
        catch (AggregateException failures)
        {
            ExceptionDispatchInfo.Throw(failures.InnerExceptions[0]);
        }

        value.AsSpan(from[^1]).CopyTo(coded.AsSpan(at[^1]));
        headerOfCoded.Write(coded);
        return coded;
    }

    private static void Layer(ChunkPlan plan, ChunkHeader header, int index, ReadOnlySpan<byte> bytes, SequenceCodecs codecs, ChunkForm to, Span<byte> coded)
    {
        int layer = plan.OwnLayers[index], first = header.Layers[index].FirstRow, rows = plan.Rows - first, before = bytes.Length - (int)header.Form!.BlockBytes(plan, layer, rows);
        bytes[..before].CopyTo(coded);
        bytes = bytes[before..];
        coded = coded[before..];
        for (int side = 0; side < plan.Layouts[layer].Sides.Length; side++)
        {
            SideLayout old = header.Form.Sides(layer)[side], other = to.Sides(layer)[side];
            int oldBytes = (int)old.BlockBytes(rows), otherBytes = (int)other.BlockBytes(rows);
            for (int head = 0; head < plan.Layouts[layer].Heads; head++)
            {
                if (header.Form.Spec(layer, side) == to.Spec(layer, side))
                    bytes[..oldBytes].CopyTo(coded);
                else
                    Rows(codecs.Of(old.Codec, layer, side, head), codecs.Of(other.Codec, layer, side, head), (plan.NumberOf(header) * plan.Rows) + first, bytes[..oldBytes], coded[..otherBytes]);
                bytes = bytes[oldBytes..];
                coded = coded[otherBytes..];
            }
        }
    }

    /// <summary>Codes blocks of a head again.</summary>
    /// <param name="from">The codec that they have.</param>
    /// <param name="to">The codec that they get.</param>
    /// <param name="firstRow">The number of the first row, from the end of the sinks on.</param>
    /// <param name="blocks">Whole blocks of both.</param>
    /// <param name="destination">Receives as many rows.</param>
    /// <exception cref="ArgumentException">They do not decode to finite numbers.</exception>
    public static void Rows(Codec from, Codec to, int firstRow, ReadOnlySpan<byte> blocks, Span<byte> destination)
    {
        if (!from.AreFinite(blocks))
            throw new ArgumentException($"A block from row {firstRow} on does not decode to finite numbers.", nameof(blocks));
        float[] rows = new float[SideLayout.PageRows * from.Dimension];
        // A page at a time, so that the rows stay in the cache of the processor.
        for (int count; !blocks.IsEmpty; firstRow += count)
        {
            count = Math.Min(SideLayout.PageRows - (firstRow % SideLayout.PageRows), blocks.Length / from.BytesPerBlock * from.RowsPerBlock);
            int read = count / from.RowsPerBlock * from.BytesPerBlock, written = count / to.RowsPerBlock * to.BytesPerBlock;
            Span<float> numbers = rows.AsSpan(0, count * from.Dimension);
            from.Decode(blocks[..read], numbers, firstRow);
            Aging.Encode(to, numbers, firstRow, destination[..written]);
            blocks = blocks[read..];
            destination = destination[written..];
        }
    }
}
