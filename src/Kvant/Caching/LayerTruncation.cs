using System.Numerics.Tensors;

namespace Kvant.Caching;

/// <summary>Cuts a layer. Memory is behind it; a codec that fails leaves the layer as it was.</summary>
internal static class LayerTruncation
{
    // From the largest float to what can always be encoded at the largest dimension: .875^620 < 512 / 3.4e38.
    private const int MostTries = 620;

    /// <summary>Whether a cut writes rows to the window: those that stay of a block that it goes through.</summary>
    public static bool WritesFront(LayerLayout layout, LayerExtent before, LayerExtent after) =>
        after.BodyRows < before.BodyRows && layout.Rows(after) > after.BodyRows;

    /// <summary>Bytes of the rows that a cut writes to the window.</summary>
    public static long StagedBytes(LayerLayout layout, LayerExtent before, LayerExtent after) => WritesFront(layout, before, after)
        ? (long)layout.Heads * (layout.Rows(after) - after.BodyRows) * layout.RowBytes
        : 0;

    /// <summary>Decodes the rows that stay of a cut block, as the window stores them: [side, head, row].</summary>
    /// <param name="layer">The layer before the cut; it stays as it is.</param>
    /// <param name="after">What it will be.</param>
    /// <param name="scratch">Buffers.</param>
    /// <param name="staged">Receives <see cref="StagedBytes"/> bytes.</param>
    public static void Stage(LayerMemory layer, LayerExtent after, CacheScratch scratch, Span<byte> staged)
    {
        if (staged.IsEmpty)
            return;

        // What an evicted block held is gone; its rows are dead and count as zeros.
        if (after.CutRows == 0)
        {
            staged.Clear();
            return;
        }

        // The block that is cut: its rows, as many as its step moves at once.
        LayerLayout layout = layer.Layout;
        int step = layout.StepOf(layer.Extent, after.BodyRows), unit = layout.Steps[step].BlockRows;
        for (int side = 0; side < layout.Sides.Length; side++)
        {
            SideLayout kind = layout.Sides[side];
            for (int head = 0; head < layout.Heads; head++)
            {
                Span<float> rows = scratch.Block(unit * kind.Dimension);
                layer.Codec(step, side, head).Decode(layer.Body(step, side, head, after.BodyRows, unit), rows, after.BodyRows);
                for (int i = 0; i < after.CutRows; i++)
                {
                    Keep(kind, rows.Slice(i * kind.Dimension, kind.Dimension), staged[..kind.RowBytes], scratch);
                    staged = staged[kind.RowBytes..];
                }
            }
        }
    }

    /// <summary>Cuts the layer and puts what was staged into its window.</summary>
    public static void Run(LayerMemory layer, LayerExtent after, ReadOnlySpan<byte> staged)
    {
        LayerLayout layout = layer.Layout;
        for (int side = 0; side < layout.Sides.Length && !staged.IsEmpty; side++)
        {
            for (int head = 0; head < layout.Heads; head++)
            {
                Span<byte> ring = layer.Ring(side, head, after.BodyRows % layout.RingRows, layout.Rows(after) - after.BodyRows);
                staged[..ring.Length].CopyTo(ring);
                staged = staged[ring.Length..];
            }
        }

        layer.Become(after);
    }

    // A decoded row may be a little larger than the row was. Where that makes it too large to be stored once more, it is made smaller. No number takes
    // more tries than the largest one; a row that is still refused then is none.
    private static void Keep(SideLayout kind, Span<float> row, Span<byte> place, CacheScratch scratch)
    {
        for (int tries = 0; !Door.IsAtMost(row, Door.AlwaysEncodable(kind.Dimension)) && Door.Refusal(kind, row, scratch) is not null; tries++)
        {
            if (tries == MostTries)
                row.Clear();
            TensorPrimitives.Multiply(row, 0.875f, row);
        }

        WindowRows.Store(row, WindowRows.IsHalf(kind.WindowCodec), place);
    }
}
