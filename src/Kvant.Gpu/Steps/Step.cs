using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Gpu.Kernels;
using Kvant.Gpu.Memory;

namespace Kvant.Gpu.Steps;

/// <summary>
/// One call of attention in progress: tokens of some sequences, and the launches that look at what is stored for them. A sequence has a part for each step of its body, one for sinks
/// and window, and in a prompt one for the prompt itself; parts are in bases of their own and are merged by the processor.
/// </summary>
internal sealed class Step(GpuDevice device, LayerGeometry layer, AttentionSettings settings, int tokens, bool sinksApart)
{
    private readonly List<Launch> _launches = [];
    private readonly List<Part> _parts = [];
    private readonly PartialResults _results = new();

    /// <summary>Adds what a cache holds, for the queries of its tokens.</summary>
    /// <param name="sequence">The number of the sequence.</param>
    /// <param name="memory">Its layer; the caller holds the lock.</param>
    /// <param name="copy">What the device has of it.</param>
    /// <param name="sights">What its tokens see.</param>
    public void AddCache(int sequence, LayerMemory memory, LayerCopy copy, ReadOnlySpan<Sight> sights)
    {
        LayerLayout layout = memory.Layout;
        LayerExtent extent = memory.Extent;
        int visible = int.MaxValue;
        foreach (Sight sight in sights)
            visible = Math.Min(visible, sight.First - layout.Sinks);
        for (int i = 0; i < copy.Steps.Length; i++)
        {
            StepCopy step = copy.Steps[i];
            if (step.First >= step.End)
                continue;
            int number = i;
            Add(sequence, step.Shape, sights, (side, head) => memory.Codec(number, side, head), Rows.Of(step, visible, layout.Sinks));
        }

        if (extent.Length == 0)
            return;
        FrontCopy front = copy.Front!;
        Rows sinks = new() { First = 0, End = Math.Min(extent.Length, layout.Sinks), Position = 0, Ring = Math.Max(1, layout.Sinks), AreSinks = true, Pages = [front.Sinks] };
        Rows window = new() { First = extent.BodyRows, End = layout.Rows(extent), Position = layout.Sinks, Ring = layout.RingRows, Pages = [front.Ring] };
        Add(sequence, front.Shape, sights, (side, _) => side == 0 ? front.Codecs.Keys : front.Codecs.Values, sinks, window);
    }

    /// <summary>Adds rows that are there as floats: a prompt's own.</summary>
    public void AddRows(int sequence, Codec keys, Codec values, ReadOnlySpan<Sight> sights, params ReadOnlySpan<Rows> rows) =>
        Add(sequence, FrontCopy.ShapeOf(keys, values), sights, (side, _) => side == 0 ? keys : values, rows);

    /// <summary>Does it all.</summary>
    /// <param name="basis">Takes queries in and results out.</param>
    /// <param name="scratch">Buffers, one set for each launch.</param>
    /// <param name="queries">[sequence, token, query head, key dimension].</param>
    /// <param name="sinkQueries">The same for sinks, or empty.</param>
    /// <param name="sequences">How many.</param>
    /// <param name="outputs">Receives [sequence, token, query head, value dimension].</param>
    /// <param name="logSumExp">Receives [sequence, token, query head], or is empty.</param>
    public void Run(Basis basis, List<Scratch> scratch, ReadOnlySpan<float> queries, ReadOnlySpan<float> sinkQueries, int sequences, Span<float> outputs, Span<float> logSumExp)
    {
        int heads = layer.QueryHeads, group = layer.GroupSize, d = layer.KeyDimension;
        foreach (Launch launch in _launches)
            launch.Queries = new float[launch.Tokens * heads * launch.Shape.QueryFloats * (launch.SinksApart ? 2 : 1)];
        foreach (Part part in _parts)
        {
            for (int row = 0; row < tokens * layer.KvHeads; row++)
            {
                (int token, int head) = Math.DivRem(row, layer.KvHeads);
                int from = ((((part.Sequence * tokens) + token) * heads) + (head * group)) * d, to = ((part.FirstToken + token) * heads) + (head * group), width = part.Launch.Shape.QueryFloats;
                basis.Enter(part.CodecOf(0, head), part.Launch.Shape, queries.Slice(from, group * d), part.Launch.Queries.AsSpan(to * width, group * width));
                if (part.Launch.SinksApart)
                    basis.Enter(part.CodecOf(0, head), part.Launch.Shape, sinkQueries.Slice(from, group * d), part.Launch.Queries.AsSpan((to + (part.Launch.Tokens * heads)) * width, group * width));
            }
        }

        while (scratch.Count < _launches.Count)
            scratch.Add(new(device));
        for (int i = 0; i < _launches.Count; i++)
            _launches[i].Begin(device, scratch[i]);
        float[][] found = [.. _launches.Select((launch, i) => launch.End(scratch[i]))];

        int[] partOf = new int[sequences];
        foreach (Part part in _parts)
            partOf[part.Sequence]++;
        int splits = Math.Max(1, partOf.Max());
        Array.Clear(partOf);
        _results.Resize(sequences * tokens * heads, splits, layer.ValueDimension);
        foreach (Part part in _parts)
        {
            int split = partOf[part.Sequence]++, width = part.Launch.Shape.ResultFloats;
            float[] results = found[_launches.IndexOf(part.Launch)];
            for (int row = 0; row < tokens * layer.KvHeads; row++)
            {
                (int token, int head) = Math.DivRem(row, layer.KvHeads);
                int from = ((part.FirstToken + token) * heads) + (head * group), to = (((part.Sequence * tokens) + token) * heads) + (head * group);
                Basis.Leave(part.CodecOf(1, head), results.AsSpan(from * width, group * width), (q, result) => _results.Store(to + q, split, result));
            }
        }

        _results.Merge(sequences * tokens * heads, settings.SinkLogits, outputs, logSumExp);
    }

    private void Add(int sequence, KernelShape stored, ReadOnlySpan<Sight> sights, Func<int, int, Codec> codecOf, params ReadOnlySpan<Rows> rows)
    {
        Codec keys = codecOf(0, 0), values = codecOf(1, 0);
        int waves = keys.Form!.Turning?.Count ?? 0, pages = 1;
        foreach (Rows run in rows)
            pages = Math.Max(pages, ((run.End - 1) / Launch.PageRows) + 1);
        KernelShape shape = ShapeOf(stored with { Waves = waves });
        nint levels = device.Tables.OfLevels(keys.Form, values.Form!);
        (nint Waves, nint Turns) turning = waves > 0 ? device.Tables.OfTurning(keys.Form.Turning!, pages, shape.OnTensors) : default;
        Launch? launch = _launches.Find(l => l.Shape == shape && l.Tables.Levels == levels && l.Tables.Waves == turning.Waves);
        if (launch is null)
            _launches.Add(launch = new(shape, layer, settings, sinksApart && !shape.Paged));
        // The later of two tables of turns is the longer one.
        launch.Tables = (levels, turning.Waves, turning.Turns);
        _parts.Add(new(sequence, launch, launch.Add(sights, rows), codecOf));
    }

    // Matrix units round to halves: for those who did not ask for floats, where codes have lost more already.
    private KernelShape ShapeOf(KernelShape stored)
    {
        KernelShape onTensors = stored.ForTensors(layer.GroupSize);
        return settings.Arithmetic == Arithmetic.Fast && stored.FitsTensors && device.Context.WhyNot(onTensors.Source, onTensors.Macros) is null ? onTensors : stored.For(layer.GroupSize, tokens);
    }

    /// <summary>What one launch finds for a sequence.</summary>
    private sealed record Part(int Sequence, Launch Launch, int FirstToken, Func<int, int, Codec> CodecOf);
}
