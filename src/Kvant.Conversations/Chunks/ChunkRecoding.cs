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

    /// <summary>Writes a chunk in another form.</summary>
    /// <param name="plan">Its sequence.</param>
    /// <param name="header">Its header, which was checked.</param>
    /// <param name="value">All of it.</param>
    /// <param name="codecs">Of its sequence.</param>
    /// <param name="to">The form.</param>
    /// <returns>The chunk.</returns>
    /// <exception cref="ArgumentException">The blocks, or what codecs chose, are such as no cache wrote.</exception>
    public static byte[] Run(ChunkPlan plan, ChunkHeader header, ReadOnlySpan<byte> value, SequenceCodecs codecs, ChunkForm to)
    {
        byte[] coded = new byte[Length(plan, header, value.Length, to)];
        var layers = new ChunkHeader.LayerEntry[header.Layers.Length];
        ChunkHeader headerOfCoded = header.With(to.Recipe, layers);
        int from = header.Bytes, at = headerOfCoded.Bytes;
        for (int i = 0; i < layers.Length; i++)
        {
            (int first, int bytes, _) = header.Layers[i];
            int layer = plan.OwnLayers[i], before = bytes - (int)header.Form!.BlockBytes(plan, layer, plan.Rows - first), begin = at;
            value.Slice(from, before).CopyTo(coded.AsSpan(at));
            ReadOnlySpan<byte> blocks = value[(from + before)..(from + bytes)];
            from += bytes;
            at += before;
            for (int side = 0; side < plan.Layouts[layer].Sides.Length; side++)
            {
                SideLayout old = header.Form.Sides(layer)[side], other = to.Sides(layer)[side];
                int oldBytes = (int)old.BlockBytes(plan.Rows - first), otherBytes = (int)other.BlockBytes(plan.Rows - first);
                for (int head = 0; head < plan.Layouts[layer].Heads; head++)
                {
                    if (header.Form.Spec(layer, side) == to.Spec(layer, side))
                        blocks[..oldBytes].CopyTo(coded.AsSpan(at));
                    else
                        Rows(codecs.Of(old.Codec, layer, side, head), codecs.Of(other.Codec, layer, side, head), (plan.NumberOf(header) * plan.Rows) + first, blocks[..oldBytes], coded.AsSpan(at, otherBytes));
                    blocks = blocks[oldBytes..];
                    at += otherBytes;
                }
            }

            layers[i] = new(first, at - begin, Crc32C.Compute(coded.AsSpan(begin, at - begin)));
        }

        value[from..].CopyTo(coded.AsSpan(at));
        headerOfCoded.Write(coded);
        return coded;
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
