using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.LanguageModels;
using Kvant.Evaluation.Metrics;
using Kvant.Evaluation.Sources;

namespace Kvant.Evaluation.Tuning;

/// <summary>Tuning on recorded queries, keys and values: the errors of attention alone, each layer as important as any other.</summary>
internal sealed class TraceTuneSource(ITraceSource trace, KvCacheOptions options, int threads, string fingerprint) : TuneSource
{
    public override CacheGeometry Geometry => options.Geometry;

    public override string Fingerprint => fingerprint;

    public override (long Errors, long Sensitivity, long Verify) Steps => (trace.Layers, 0, 0);

    public override double[][] LayerErrors(IReadOnlyList<LayerSpecs> candidates, ShareMeter meter)
    {
        CodecSpec exact = ModelExperiment.Exact;
        using var attention = new ComparingAttention(
            options with { Policy = LayerPolicy.Uniform(trace.Layers, exact, exact) },
            [.. candidates.Select(c => options with { Policy = LayerPolicy.Uniform(trace.Layers, c.Keys, c.Values) })],
            threads,
            (float)trace.SoftmaxScale);
        int tokens = trace.Tokens;
        for (int layer = 0; layer < trace.Layers; layer++)
        {
            int l = layer;
            float[] queries = Rows(trace.QueryHeads, trace.KeyDimension, (head, rows) => trace.ReadQueries(l, head, rows));
            float[] keys = Rows(trace.KvHeads, trace.KeyDimension, (head, rows) => trace.ReadKeys(l, head, rows));
            float[] values = Rows(trace.KvHeads, trace.ValueDimension, (head, rows) => trace.ReadValues(l, head, rows));
            attention.Attend(layer, queries, keys, values, new float[tokens * trace.QueryHeads * trace.ValueDimension]);
            meter.Step(candidates.Count);
        }

        return [.. candidates.Select((_, i) => attention.Errors(i).ToArray())];
    }

    public override (double Keys, double Values)? Sensitivity(int layer, CodecSpec codec, ShareMeter meter) => null;

    public override TokenLoss[]? Verify(IReadOnlyList<LayerPolicy> policies, ShareMeter meter) => null;

    // [head, token, number] to [token, head, number].
    private float[] Rows(int heads, int dimension, Action<int, float[]> read)
    {
        float[] all = new float[checked(trace.Tokens * heads * dimension)], rows = new float[trace.Tokens * dimension];
        for (int head = 0; head < heads; head++)
        {
            read(head, rows);
            for (int token = 0; token < trace.Tokens; token++)
                rows.AsSpan(token * dimension, dimension).CopyTo(all.AsSpan(((token * heads) + head) * dimension));
        }

        return all;
    }
}
