using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Tests.Reference;

namespace Kvant.Tests.Attention;

/// <summary>A prompt attends exactly to itself and, as it decodes, to what was cached before.</summary>
public sealed class PrefillTests
{
    [Theory]
    [InlineData("turboquant:bits=4", 1)]
    [InlineData("turboquant:bits=3", 2)]
    [InlineData("kivi:bits=2", 2)]
    [InlineData("fp32", 3)]
    public void ChunkIsExactAmongItselfAndSeesTheCacheAsItDecodes(string spec, int threads)
    {
        float[] slopes = [0.1f, 0.2f, 0, 0.3f, 0.01f, 0.5f];
        foreach ((AttentionSettings settings, int window) in ((AttentionSettings, int)[])[(new() { Arithmetic = Arithmetic.Exact, Threads = threads }, 0), (new() { Arithmetic = Arithmetic.Exact, Threads = threads, Slopes = slopes, SinkLogits = slopes }, 50)])
        {
            CacheGeometry geometry = AttentionCases.Windowed(AttentionCases.Geometry(kvHeads: 2, group: 3, keys: 64, values: 80), window);
            using var cache = new KvCache(AttentionCases.Options(geometry, spec));
            using var attention = new CacheAttention(geometry, settings) { FewestSharedPairs = 0 };
            int seed = 0;
            foreach (int tokens in (int[])[1, 7, 150, 300, 0, 1, 33])
                Check(cache, attention, tokens, ++seed, spec);
        }
    }

    [Theory]
    [InlineData("turboquant:bits=4")]
    [InlineData("outlier:bits=2")]
    [InlineData("kivi:bits=4")]
    public void AnySplitLeavesTheSameBytes(string spec)
    {
        CacheGeometry geometry = AttentionCases.Geometry();
        (float[] keys, float[] values) = AttentionCases.Rows(geometry, 400, seed: 2);
        float[] queries = AttentionCases.Queries(geometry, 3, 400), outputs = new float[400 * geometry.QueryHeads * 64];
        using var whole = new KvCache(AttentionCases.Options(geometry, spec));
        using var attention = new CacheAttention(geometry);
        attention.Prefill(whole, 0, queries, keys, values, outputs);
        foreach (int part in (int[])[1, 17, 64, 399])
        {
            using var cache = new KvCache(AttentionCases.Options(geometry, spec));
            for (int first = 0; first < 400; first += part)
            {
                int count = Math.Min(part, 400 - first), k = 2 * 64, q = geometry.QueryHeads * 64;
                attention.Prefill(
                    cache, 0, queries.AsSpan(first * q, count * q), keys.AsSpan(first * k, count * k), values.AsSpan(first * k, count * k), outputs.AsSpan(first * q, count * q));
            }

            Assert.True(whole.Freeze().AsSpan().SequenceEqual(cache.Freeze()), $"{spec}: parts of {part} leave other bytes.");
        }
    }

    [Fact]
    public void WithoutCompressionAnySplitGivesTheSameOutputs()
    {
        CacheGeometry geometry = AttentionCases.Geometry();
        (float[] keys, float[] values) = AttentionCases.Rows(geometry, 200, seed: 2);
        int k = 2 * 64, q = geometry.QueryHeads * 64;
        float[] queries = AttentionCases.Queries(geometry, 3, 200), expected = new float[200 * q], outputs = new float[q], logSums = new float[geometry.QueryHeads];
        using var attention = new CacheAttention(geometry);
        using var whole = new KvCache(AttentionCases.Options(geometry, "fp32"));
        attention.Prefill(whole, 0, queries, keys, values, expected);
        using var cache = new KvCache(AttentionCases.Options(geometry, "fp32"));
        for (int t = 0; t < 200; t++)
        {
            cache.Append(0, keys.AsSpan(t * k, k), values.AsSpan(t * k, k));
            attention.Decode(cache, 0, queries.AsSpan(t * q, q), outputs, logSums);
            AttentionCases.AssertOutput([.. expected.AsSpan(t * q, q).ToArray().Select(x => (double)x)], outputs, $"token {t}");
        }
    }

    [Fact]
    public void RefusedRowsLeaveTheCacheAsItWas()
    {
        CacheGeometry geometry = AttentionCases.Geometry();
        using var cache = new KvCache(AttentionCases.Options(geometry, "turboquant:bits=4"));
        using var attention = new CacheAttention(geometry);
        AttentionCases.Append(cache, 100, seed: 1);
        byte[] before = cache.Freeze();
        (float[] keys, float[] values) = AttentionCases.Rows(geometry, 5, seed: 2);
        values[^1] = float.NaN;
        float[] queries = AttentionCases.Queries(geometry, 3, 5), outputs = new float[5 * geometry.QueryHeads * 64];
        Assert.Throws<ArgumentException>(() => attention.Prefill(cache, 0, queries, keys, values, outputs));
        Assert.Throws<ArgumentException>(() => attention.Prefill(cache, 0, queries, keys.AsSpan(1), values, outputs));
        Assert.Throws<ArgumentException>(() => attention.Prefill(cache, 0, queries.AsSpan(1), keys, values, outputs));
        Assert.Throws<ArgumentException>(() => attention.Prefill(cache, 0, queries, keys, values, outputs.AsSpan(1)));
        Assert.True(before.AsSpan().SequenceEqual(cache.Freeze()));
    }

    [Fact]
    public void RefusedCallsLeaveTheOutputsAsTheyWere()
    {
        CacheGeometry geometry = AttentionCases.Geometry();
        using var pool = new PagePool(1 << 16);
        using var cache = new KvCache(AttentionCases.Options(geometry, "turboquant:bits=4") with { Pool = pool });
        using var attention = new CacheAttention(geometry);
        AttentionCases.Append(cache, 5, seed: 1);
        (float[] keys, float[] values) = AttentionCases.Rows(geometry, 2000, seed: 2);
        float[] queries = AttentionCases.Queries(geometry, 3, 2000), outputs = new float[2000 * geometry.QueryHeads * 64];
        int k = 10 * 2 * 64, q = 10 * geometry.QueryHeads * 64;
        // On a thread that reads the cache, and beyond the pool's limit; then a row that the door refuses.
        Assert.Contains("reads the cache", Assert.Throws<InvalidOperationException>(() => cache.Read(0, (_, _) => attention.Prefill(cache, 0, queries.AsSpan(0, q), keys.AsSpan(0, k), values.AsSpan(0, k), outputs.AsSpan(0, q)))).Message, StringComparison.Ordinal);
        Assert.Throws<CacheFullException>(() => attention.Prefill(cache, 0, queries, keys, values, outputs));
        values[k - 1] = float.NaN;
        Assert.Throws<ArgumentException>(() => attention.Prefill(cache, 0, queries.AsSpan(0, q), keys.AsSpan(0, k), values.AsSpan(0, k), outputs.AsSpan(0, q)));
        Assert.Equal(5, cache.Length);
        Assert.Equal(-1, outputs.AsSpan().IndexOfAnyExcept(0));
    }

    private static void Check(KvCache cache, CacheAttention attention, int tokens, int seed, string spec)
    {
        CacheGeometry g = cache.Geometry;
        (float[] keys, float[] values) = AttentionCases.Rows(g, tokens, seed);
        float[] queries = AttentionCases.Queries(g, seed, tokens), outputs = new float[tokens * g.QueryHeads * g.ValueDimension], logSums = new float[tokens * g.QueryHeads];
        int before = cache.Length;
        List<CacheAttentionReference.Row>[] rows = [.. Enumerable.Range(0, g.KvHeads).Select(h => CacheAttentionReference.Rows(cache, 0, h))];
        attention.Prefill(cache, 0, queries, keys, values, outputs, logSums);
        Assert.Equal(before + tokens, cache.Length);
        for (int t = 0; t < tokens; t++)
        {
            for (int h = 0; h < g.KvHeads; h++)
            {
                int row = (t * g.KvHeads) + h;
                rows[h].Add(new(before + t, keys[(row * g.KeyDimension)..((row + 1) * g.KeyDimension)], values[(row * g.ValueDimension)..((row + 1) * g.ValueDimension)]));
            }
        }

        foreach (int t in Enumerable.Range(0, tokens).Where(t => t % 13 == 0 || t == tokens - 1))
        {
            for (int head = 0; head < g.QueryHeads; head++)
            {
                int query = (t * g.QueryHeads) + head;
                (double[] expected, double logSum) = CacheAttentionReference.Attend(
                    rows[head / g.GroupSize], queries.AsSpan(query * g.KeyDimension, g.KeyDimension), before + t, head, attention.SettingsOf(0), g.ValueDimension, g[0].SlidingWindow);
                AttentionCases.AssertOutput(expected, outputs.AsSpan(query * g.ValueDimension, g.ValueDimension), $"{spec}, {before} cached, token {t} of {tokens}, head {head}");
                Assert.Equal(logSum, logSums[query], Tolerances.LogSumExp * Math.Max(1, Math.Abs(logSum)));
            }
        }
    }
}
