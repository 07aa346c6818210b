using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Tests.Reference;

namespace Kvant.Tests.Attention;

/// <summary>Small caches with something in them, and the comparison of attention over them with double precision.</summary>
internal static class AttentionCases
{
    public static CacheGeometry Geometry(int kvHeads = 2, int group = 2, int keys = 64, int values = 64, int layers = 1) =>
        new() { Layers = layers, KvHeads = kvHeads, QueryHeads = kvHeads * group, KeyDimension = keys, ValueDimension = values };

    public static CacheGeometry Windowed(CacheGeometry geometry, int slidingWindow) => geometry.WithLayers((_, shape) => shape with { SlidingWindow = slidingWindow });

    public static KvCacheOptions Options(CacheGeometry geometry, string keys, string? values = null, int sinks = 4, int window = 16) => new()
    {
        Geometry = geometry,
        Policy = LayerPolicy.Uniform(geometry.Layers, CodecSpec.Parse(keys), CodecSpec.Parse(values ?? keys)),
        Sinks = sinks,
        Window = window,
    };

    public static void Append(KvCache cache, int tokens, int seed, int layer = 0)
    {
        (float[] keys, float[] values) = Rows(cache.Geometry, tokens, seed);
        cache.Append(layer, keys, values);
    }

    public static (float[] Keys, float[] Values) Rows(CacheGeometry geometry, int tokens, int seed) =>
        (TestRows.Gaussian(tokens * geometry.KvHeads, geometry.KeyDimension, seed), TestRows.Gaussian(tokens * geometry.KvHeads, geometry.ValueDimension, seed + 1000));

    public static float[] Queries(CacheGeometry geometry, int seed, int tokens = 1) => TestRows.Gaussian(tokens * geometry.QueryHeads, geometry.KeyDimension, seed + 2000);

    /// <summary>Decodes one step and holds output and log-sum-exp to double precision over the decoded rows.</summary>
    public static void AssertDecode(KvCache cache, AttentionSettings settings, string what, int seed = 1, int layer = 0, bool sinksApart = false)
    {
        CacheGeometry g = cache.Geometry;
        using var attention = new CacheAttention(g, settings);
        float[] queries = Queries(g, seed), sinkQueries = sinksApart ? Queries(g, seed + 1) : [];
        float[] outputs = new float[g.QueryHeads * g.ValueDimension], logSums = new float[g.QueryHeads];
        outputs.AsSpan().Fill(float.NaN);
        attention.Decode(cache, layer, queries, outputs, logSums, sinkQueries);
        List<CacheAttentionReference.Row>[] cached = [.. Enumerable.Range(0, g.KvHeads).Select(h => CacheAttentionReference.Rows(cache, layer, h))];
        for (int head = 0; head < g.QueryHeads; head++)
        {
            List<CacheAttentionReference.Row> rows = cached[head / g.GroupSize];
            ReadOnlySpan<float> query = queries.AsSpan(head * g.KeyDimension, g.KeyDimension);
            if (sinksApart)
                rows = Turned(rows, cache.Options.Sinks, query, sinkQueries.AsSpan(head * g.KeyDimension, g.KeyDimension));
            (double[] expected, double logSum) = CacheAttentionReference.Attend(rows, query, cache.LayerLength(layer) - 1, head, settings, g.ValueDimension, g[layer].SlidingWindow);
            AssertOutput(expected, outputs.AsSpan(head * g.ValueDimension, g.ValueDimension), $"{what}, query head {head}");
            Assert.True(
                logSum == logSums[head] || Math.Abs(logSum - logSums[head]) <= Tolerances.LogSumExp * Math.Max(1, Math.Abs(logSum)),
                $"{what}, query head {head}: log-sum-exp {logSums[head]}, expected {logSum}.");
        }
    }

    public static void AssertOutput(double[] expected, ReadOnlySpan<float> actual, string what, double tolerance = Tolerances.Attention)
    {
        double error = 0, size = 0;
        for (int c = 0; c < expected.Length; c++)
        {
            error += Measure.Square(actual[c] - expected[c]);
            size += expected[c] * expected[c];
        }

        Assert.True(Math.Sqrt(error) <= tolerance * Math.Max(Math.Sqrt(size), 1), $"{what}: off by {Math.Sqrt(error):G3} of {Math.Sqrt(size):G3}.");
    }

    // A query of its own for the sinks is the same as one query and sinks' keys that give its scores.
    private static List<CacheAttentionReference.Row> Turned(
        List<CacheAttentionReference.Row> rows, int sinks, ReadOnlySpan<float> query, ReadOnlySpan<float> sinkQuery)
    {
        List<CacheAttentionReference.Row> turned = [];
        foreach (CacheAttentionReference.Row row in rows)
        {
            float[] key = [.. row.Key];
            if (row.Position < sinks)
            {
                double factor = Measure.Dot(sinkQuery, row.Key) / Measure.SquaredNorm(query);
                key = [.. query.ToArray().Select(x => (float)(x * factor))];
            }

            turned.Add(row with { Key = key });
        }

        return turned;
    }
}
