using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Gpu.Kernels;

namespace Kvant.Gpu.Memory;

/// <summary>Sinks and window of a layer on the device, as the cache stores them: a token's rows of all heads side by side, sinks first, then the ring.</summary>
internal sealed class FrontCopy(DeviceMemory memory, LayerLayout layout)
{
    private DeviceRange? _range;
    private long _mark;
    private int _tokens; // all before are there, or went to the body

    /// <summary>How the rows lie.</summary>
    public KernelShape Shape { get; } = ShapeOf(layout.Sides[0].WindowCodec, layout.Sides[^1].WindowCodec);

    /// <summary>The codecs of keys and values.</summary>
    public (Codec Keys, Codec Values) Codecs => (layout.Sides[0].WindowCodec, layout.Sides[^1].WindowCodec);

    /// <summary>Bytes on the device.</summary>
    public long Bytes => _range?.Bytes ?? 0;

    private int TokenBytes => layout.Heads * Shape.HeadBytes;

    /// <summary>How rows that are not compressed lie.</summary>
    public static KernelShape ShapeOf(Codec keys, Codec values) => new(SideShape.Of(keys, true, "The window"), SideShape.Of(values, false, "The window"), 1, 0, false);

    /// <summary>Where the sinks lie: a slab and a place in it.</summary>
    public (int Slab, long Offset) Sinks => (_range!.Value.Slab, _range.Value.Offset);

    /// <summary>Where the ring does.</summary>
    public (int Slab, long Offset) Ring => (_range!.Value.Slab, _range.Value.Offset + RingAt);

    private long RingAt => ((long)layout.Sinks * TokenBytes + DeviceMemory.Alignment - 1) / DeviceMemory.Alignment * DeviceMemory.Alignment;

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        if (_range is { } range)
            memory.Return(range);
        (_range, _tokens) = (null, 0);
    }

    /// <summary>Copies tokens that came. Whoever calls holds the cache's lock.</summary>
    public void Follow(LayerMemory layer)
    {
        LayerExtent extent = layer.Extent;
        if (extent.Length == 0)
        {
            Clear();
            return;
        }

        DeviceRange range = _range ??= memory.Take(RingAt + ((long)layout.RingRows * TokenBytes), "The window of a layer");
        if (_mark != layer.TokenMark)
            _tokens = 0;
        int sinks = Math.Min(extent.Length, layout.Sinks);
        if (_tokens < sinks)
            Copy(range, (long)_tokens * TokenBytes, _tokens, sinks - _tokens, layer.Sinks);
        int rows = layout.Rows(extent);
        for (int row = Math.Max(_tokens - layout.Sinks, extent.BodyRows), count; row < rows; row += count)
        {
            int slot = row % layout.RingRows;
            count = Math.Min(rows - row, layout.RingRows - slot);
            Copy(range, RingAt + ((long)slot * TokenBytes), slot, count, layer.Ring);
        }

        (_mark, _tokens) = (layer.TokenMark, extent.Length);
    }

    private void Copy(DeviceRange range, long offset, int first, int count, RowsOf rowsOf)
    {
        byte[] tokens = new byte[count * TokenBytes];
        for (int head = 0; head < layout.Heads; head++)
        {
            for (int side = 0; side < 2; side++)
            {
                ReadOnlySpan<byte> rows = rowsOf(side, head, first, count);
                int bytes = rows.Length / count, at = (head * Shape.HeadBytes) + (side == 0 ? 0 : Shape.ValuesAt);
                for (int row = 0; row < count; row++, at += TokenBytes)
                    rows.Slice(row * bytes, bytes).CopyTo(tokens.AsSpan(at));
            }
        }

        memory.Write(range, offset, tokens);
    }

    private delegate Span<byte> RowsOf(int side, int head, int first, int count);
}
