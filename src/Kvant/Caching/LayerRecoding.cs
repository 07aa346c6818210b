using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>Codes the oldest rows of a layer again, from the step that has them straight to the last.</summary>
internal static class LayerRecoding
{
    /// <summary>The codecs of the heads of a new step, one side: those of a step before where they are the same or have chosen the same, else made from the first rows.</summary>
    /// <param name="layer">The layer as it is.</param>
    /// <param name="step">The new step.</param>
    /// <param name="side">0 for keys, 1 for values.</param>
    /// <exception cref="InvalidOperationException">A codec chooses from rows that are gone.</exception>
    public static Codec[] Choose(LayerMemory layer, StepLayout step, int side)
    {
        Codec codec = step.Sides[side].Codec;
        var chosen = new Codec[step.Heads];
        for (int head = 0; head < chosen.Length; head++)
            chosen[head] = codec.CalibrationRows == 0 ? codec : Known(layer, step, side, head) ?? Learn(layer, codec, side, head);
        return chosen;
    }

    /// <summary>How many rows are coded again: whole blocks of the body, all that are wanted.</summary>
    /// <param name="layout">What the layer becomes.</param>
    /// <param name="extent">What it is.</param>
    /// <param name="tokens">Tokens, the sinks among them.</param>
    public static int End(LayerLayout layout, LayerExtent extent, int tokens)
    {
        int rows = Math.Min(Math.Max(0, tokens - layout.Sinks), extent.BodyRows);
        return layout.Rows(extent) < layout.CalibrationRows ? 0 : rows - (rows % layout.Steps[^1].BlockRows);
    }

    /// <summary>What the layer becomes.</summary>
    public static LayerExtent After(LayerLayout layout, LayerExtent extent, int end)
    {
        StepEnds ends = extent.Older;
        for (int step = 1; step < layout.Steps.Length; step++)
            ends[step - 1] = Math.Max(ends[step - 1], end);
        return extent.With(ends);
    }

    /// <summary>Codes the rows behind the last step for it; they are not seen there yet.</summary>
    /// <param name="layer">The layer, with pages in place.</param>
    /// <param name="after">What it becomes.</param>
    /// <param name="scratch">Buffers.</param>
    public static void Run(LayerMemory layer, LayerExtent after, CacheScratch scratch)
    {
        LayerLayout layout = layer.Layout;
        int last = layout.Steps.Length - 1, first = Math.Max(layer.Extent.End(last), layout.FirstBlockRow(after)), end = after.End(last);
        for (int side = 0; side < layout.Sides.Length; side++)
        {
            for (int head = 0; head < layout.Heads; head++)
            {
                for (int row = first, next; row < end; row = next)
                {
                    next = Math.Min(end, row - (row % SideLayout.PageRows) + SideLayout.PageRows);
                    RunPage(layer, side, head, row, next, scratch);
                }
            }
        }
    }

    // Rows may come from several steps and make one block; what has the codec already keeps its bytes, and rows of blocks that are gone are zeros.
    private static void RunPage(LayerMemory layer, int side, int head, int first, int end, CacheScratch scratch)
    {
        LayerLayout layout = layer.Layout;
        StepLayout[] steps = layout.Steps;
        int last = steps.Length - 1, dimension = layout.Sides[side].Dimension, gone = layout.FirstBlockRow(layer.Extent), pending = first;
        Span<float> rows = scratch.Block((end - first) * dimension);
        for (int row = first, next; row < end; row = next)
        {
            int step = layout.StepOf(layer.Extent, row);
            next = Math.Min(end, row < gone ? gone : layer.Extent.End(step));
            Span<float> part = rows.Slice((row - first) * dimension, (next - row) * dimension);
            if (row < gone)
            {
                part.Clear();
            }
            else if (steps[step].SpecOf(side) == steps[last].SpecOf(side))
            {
                Encode(pending, row);
                layer.Body(step, side, head, row, next - row).CopyTo(layer.Body(last, side, head, row, next - row));
                pending = next;
            }
            else
            {
                layer.Codec(step, side, head).Decode(layer.Body(step, side, head, row, next - row), part, row);
            }
        }

        Encode(pending, end);

        void Encode(int from, int to)
        {
            if (from < to)
                Aging.Encode(layer.Codec(last, side, head), scratch.Block((end - first) * dimension).Slice((from - first) * dimension, (to - from) * dimension), from, layer.Body(last, side, head, from, to - from));
        }
    }

    private static Codec? Known(LayerMemory layer, StepLayout step, int side, int head)
    {
        Codec codec = step.Sides[side].Codec;
        StepLayout[] steps = layer.Layout.Steps;
        for (int i = 0; i < steps.Length && layer.Layout.IsCalibrated(layer.Extent); i++)
        {
            Codec known = layer.Codec(i, side, head);
            if (steps[i].SpecOf(side) == step.SpecOf(side))
                return known;
            if (codec.CanTakeStateOf(known))
                return codec.WithState(known.State);
        }

        return null;
    }

    private static Codec Learn(LayerMemory layer, Codec codec, int side, int head)
    {
        LayerLayout layout = layer.Layout;
        if (layout.FirstBlockRow(layer.Extent) > 0)
            throw new InvalidOperationException($"A codec of the policy chooses from the first {codec.CalibrationRows} tokens behind the sinks, and some of them are evicted.");
        float[] rows = new float[codec.CalibrationRows * codec.Dimension];
        LayerReading.Decode(layer, side, head, layout.Sinks, codec.CalibrationRows, rows);
        return codec.Calibrate(rows, side == 0 ? layer.Queries.ContextOf(head) : null);
    }
}
