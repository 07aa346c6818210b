using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Gpu.Blocks;

/// <summary>Encodes blocks that leave a cache's window on a device, for the call in progress: what it has no kernels for, and what is so little that it is not worth the way, the processor does.</summary>
internal sealed class BlockEncoder(GpuDevice device) : IBlockEncoder, IDisposable
{
    /// <summary>Fewer rows stay with the processor.</summary>
    public const int FewestRows = 64;

    private readonly BlockCoder _coder = new(device);

    /// <summary>Why a device does not encode for a cache: it would not write the processor's bytes, or has kernels for none of its codecs. Null where it does.</summary>
    public static string? WhyNot(KvCache cache, GpuDevice device)
    {
        if (!device.Info.IsExact)
            return $"{device.Info.Name} cannot encode: it does not divide as exactly as the processor does, or takes the smallest numbers for zero, so that its bytes would be others. It can attend.";
        string? first = null;
        foreach (int layer in cache.Geometry.OwnLayers)
        {
            LayerLayout layout = cache.LayerAt(layer).Layout;
            for (int side = 0; side < layout.Sides.Length; side++)
            {
                SideLayout kind = layout.Sides[side];
                if (BlockCoder.ShapeOf(device, kind.Codec, !WindowRows.IsHalf(kind.WindowCodec)) is not null)
                    return null;
                first ??= $"layer {layer}: '{layout.Steps[0].SpecOf(side)}'";
            }
        }

        return $"{device.Info.Name} can encode nothing of this cache ({first}): kernels encode turboquant of 2 to 4 bits (with code=trellis 1 to 4) at dimensions that are multiples of 16. The processor encodes the others; leave it all to it.";
    }

    /// <inheritdoc/>
    public bool TryEncode(LayerMemory layer, int side, int first, int end, Codec[][][]? chosen, ReadOnlySpan<byte> rounded, int roundedFrom)
    {
        LayerLayout layout = layer.Layout;
        SideLayout kind = layout.Sides[side];
        int heads = layout.Heads, rows = end - first, rowBytes = kind.RowBytes, headBytes = (int)kind.BlockBytes(rows);
        var codecs = new Codec[heads];
        for (int head = 0; head < heads; head++)
            codecs[head] = chosen?[0][side][head] ?? layer.Codec(0, side, head);
        if (rows < FewestRows || BlockCoder.ShapeOf(device, codecs[0], !WindowRows.IsHalf(kind.WindowCodec)) is not { } shape)
            return false;
        byte[] stored = new byte[heads * rows * rowBytes], blocks = new byte[heads * headBytes];
        for (int head = 0; head < heads; head++)
            layer.GatherStored(side, head, first, end, rounded, roundedFrom, stored.AsSpan(head * rows * rowBytes, rows * rowBytes));
        _coder.Encode(shape, codecs, stored, first, blocks);
        for (int head = 0; head < heads; head++)
        {
            ReadOnlySpan<byte> mine = blocks.AsSpan(head * headBytes, headBytes);
            for (int row = first, count; row < end; row += count)
            {
                count = Math.Min(end - row, SideLayout.PageRows - (row % SideLayout.PageRows));
                Span<byte> place = layer.Body(0, side, head, row, count);
                mine[..place.Length].CopyTo(place);
                mine = mine[place.Length..];
            }
        }

        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => _coder.Dispose();
}
