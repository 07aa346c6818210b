using System.Buffers;

namespace Kvant.Caching;

/// <summary>Reads a layer: its rows as numbers, its runs as bytes.</summary>
internal static class LayerReading
{
    /// <summary>Turns all living tokens of a head back into numbers: the sinks, then those that are not evicted.</summary>
    public static void DecodeLiving(LayerMemory layer, int side, int head, Span<float> numbers)
    {
        LayerExtent extent = layer.Extent;
        int sinks = SinkRows(layer), dimension = layer.Layout.Sides[side].Dimension;
        Decode(layer, side, head, 0, sinks, numbers[..(sinks * dimension)]);
        Decode(layer, side, head, extent.FirstLive, (numbers.Length / dimension) - sinks, numbers[(sinks * dimension)..]);
    }

    /// <summary>Turns living tokens of a head back into numbers.</summary>
    public static void Decode(LayerMemory layer, int side, int head, int first, int count, Span<float> numbers)
    {
        LayerLayout layout = layer.Layout;
        SideLayout kind = layout.Sides[side];
        int dimension = kind.Dimension, end = first + count, body = layout.Sinks + layer.Extent.BodyRows;
        for (int position = first; position < end;)
        {
            int row = position - layout.Sinks, taken;
            Span<float> rest = numbers[((position - first) * dimension)..];
            if (row < 0)
            {
                taken = Math.Min(end, layout.Sinks) - position;
                kind.WindowCodec.Decode(layer.Sinks(side, head, position, taken), rest[..(taken * dimension)]);
            }
            else if (position < body)
            {
                int step = layout.StepOf(layer.Extent, row), last = Math.Min(end, layout.Sinks + layer.Extent.End(step));
                taken = Math.Min(last - position, SideLayout.PageRows - (row % SideLayout.PageRows));
                DecodeBody(layer, step, side, head, row, rest[..(taken * dimension)]);
            }
            else
            {
                int slot = row % layout.RingRows;
                taken = Math.Min(end - position, layout.RingRows - slot);
                kind.WindowCodec.Decode(layer.Ring(side, head, slot, taken), rest[..(taken * dimension)]);
            }

            position += taken;
        }
    }

    /// <summary>How many runs there are; the same for every head.</summary>
    public static int RunCount(LayerMemory layer)
    {
        int pages = 0;
        for (int step = 0; step < layer.Layout.Steps.Length; step++)
        {
            (int first, int end) = BodyPages(layer, step);
            pages += end - first;
        }

        return pages + (SinkRows(layer) > 0 ? 1 : 0) + WindowParts(layer);
    }

    /// <summary>A run of a head.</summary>
    public static CacheRun Run(LayerMemory layer, int head, int index)
    {
        LayerLayout layout = layer.Layout;
        LayerExtent extent = layer.Extent;
        int values = layout.Sides.Length - 1; // keys where values are part of them
        for (int step = layout.Steps.Length - 1; step >= 0; step--)
        {
            (int firstPage, int endPage) = BodyPages(layer, step);
            if (index >= endPage - firstPage)
            {
                index -= endPage - firstPage;
                continue;
            }

            int page = firstPage + index, first = Math.Max(Math.Max(layout.FirstBlockRow(extent), extent.End(step + 1)), page * SideLayout.PageRows);
            int rows = Math.Min(extent.End(step) - first, SideLayout.PageRows - (first % SideLayout.PageRows));
            return new()
            {
                KeyCodec = layer.Codec(step, 0, head),
                ValueCodec = layer.Codec(step, values, head),
                Keys = layer.Body(step, 0, head, first, rows),
                Values = layer.Body(step, values, head, first, rows),
                FirstPosition = layout.Sinks + first,
                FirstRow = first,
                Rows = rows,
                Dead = Math.Max(0, layout.FirstLiveRow(extent) - first),
            };
        }

        if (SinkRows(layer) is > 0 and int sinks && index-- == 0)
            return Plain(layer, 0, sinks, layer.Sinks(0, head, 0, sinks), layer.Sinks(values, head, 0, sinks));
        (int row, int count) = WindowPart(layer, index);
        int slot = row % layout.RingRows;
        return Plain(layer, layout.Sinks + row, count, layer.Ring(0, head, slot, count), layer.Ring(values, head, slot, count));
    }

    // Pages of a step with rows that are read.
    private static (int First, int End) BodyPages(LayerMemory layer, int step)
    {
        LayerExtent extent = layer.Extent;
        int first = Math.Max(layer.Layout.FirstBlockRow(extent), extent.End(step + 1)), end = extent.End(step);
        return first >= end ? (0, 0) : (first / SideLayout.PageRows, ((end - 1) / SideLayout.PageRows) + 1);
    }

    private static CacheRun Plain(LayerMemory layer, int position, int rows, ReadOnlySpan<byte> keys, ReadOnlySpan<byte> values) => new()
    {
        KeyCodec = layer.Layout.Sides[0].WindowCodec,
        ValueCodec = layer.Layout.Sides[^1].WindowCodec,
        Keys = keys,
        Values = values,
        FirstPosition = position,
        FirstRow = 0, // stored as it is
        Rows = rows,
        Dead = 0,
    };

    private static int SinkRows(LayerMemory layer) => Math.Min(layer.Layout.Sinks, layer.Extent.Length);

    private static int WindowParts(LayerMemory layer) => WindowPart(layer, 0).Count == 0 ? 0 : WindowPart(layer, 1).Count == 0 ? 1 : 2;

    // The living rows of the window, up to the end of the ring (part 0) and from its beginning (part 1).
    private static (int Row, int Count) WindowPart(LayerMemory layer, int part)
    {
        LayerLayout layout = layer.Layout;
        int first = Math.Max(layer.Extent.BodyRows, layout.FirstLiveRow(layer.Extent)), end = layout.Rows(layer.Extent);
        if (first >= end)
            return (first, 0);
        int count = Math.Min(end - first, layout.RingRows - (first % layout.RingRows));
        return part == 0 ? (first, count) : (first + count, end - first - count);
    }

    // Rows of one page; blocks are decoded whole.
    private static void DecodeBody(LayerMemory layer, int step, int side, int head, int row, Span<float> numbers)
    {
        SideLayout kind = layer.Layout.Steps[step].Sides[side];
        int dimension = kind.Dimension, block = kind.Codec.RowsPerBlock, end = row + (numbers.Length / dimension);
        int first = row - (row % block), last = ((end - 1) / block * block) + block;
        ReadOnlySpan<byte> blocks = layer.Body(step, side, head, first, last - first);
        if (first == row && last == end)
        {
            layer.Codec(step, side, head).Decode(blocks, numbers, first);
            return;
        }

        float[] rented = ArrayPool<float>.Shared.Rent((last - first) * dimension);
        Span<float> rows = rented.AsSpan(0, (last - first) * dimension);
        layer.Codec(step, side, head).Decode(blocks, rows, first);
        rows.Slice((row - first) * dimension, numbers.Length).CopyTo(numbers);
        ArrayPool<float>.Shared.Return(rented);
    }
}
