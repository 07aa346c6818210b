using System.Numerics.Tensors;

namespace Kvant.Caching;

/// <summary>Cuts a layer. What can fail, memory, is behind it.</summary>
internal static class LayerTruncation
{
    /// <summary>Whether a cut writes rows to the window: those that stay of a block that it goes through.</summary>
    public static bool WritesFront(LayerLayout layout, LayerExtent before, LayerExtent after) =>
        after.BodyRows < before.BodyRows && layout.Rows(after) > after.BodyRows;

    /// <summary>Brings the rows that stay of a cut block back into the window.</summary>
    public static void Run(LayerMemory layer, LayerExtent after, CacheScratch scratch)
    {
        LayerLayout layout = layer.Layout;
        if (!WritesFront(layout, layer.Extent, after))
            return;
        int first = after.BodyRows, count = layout.Rows(after) - first;
        bool stored = first >= layout.FirstBlockRow(layer.Extent);
        for (int side = 0; side < 2; side++)
        {
            SideLayout kind = layout.Sides[side];
            for (int head = 0; head < layout.Heads; head++)
            {
                // What an evicted block held is gone; its rows are dead and count as zeros.
                Span<byte> ring = layer.Ring(side, head, first % layout.RingRows, count);
                if (!stored)
                {
                    ring.Clear();
                    continue;
                }

                Span<byte> block = layer.Body(side, head, first, layout.BlockRows);
                Span<float> rows = scratch.Block(layout.BlockRows * kind.Dimension);
                layer.Codec(side, head).Decode(block, rows);
                for (int i = 0; i < count; i++)
                    Keep(kind, rows.Slice(i * kind.Dimension, kind.Dimension), ring.Slice(i * kind.RowBytes, kind.RowBytes), scratch);
            }
        }
    }

    // A decoded row may be a little larger than the row was. Where that makes it too large to be stored once more, it is made smaller.
    private static void Keep(SideLayout kind, Span<float> row, Span<byte> place, CacheScratch scratch)
    {
        while (!Door.IsAtMost(row, Door.AlwaysEncodable(kind.Dimension)) && Door.Refusal(kind, row, scratch) is not null)
            TensorPrimitives.Multiply(row, 0.875f, row);
        WindowRows.Store(row, WindowRows.IsHalf(kind.WindowCodec), place);
    }
}
