using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Tests.Attention;
using Kvant.Tests.Kernels;
using Kvant.Tests.Reference;

namespace Kvant.Tests.Caching;

/// <summary>Caches whose layers differ as those of today's models do.</summary>
[Collection(Widths.Name)]
public sealed class LayerShapeTests
{
    private static readonly AttentionSettings s_exact = new() { Arithmetic = Arithmetic.Exact };

    // Two layers that look at 100 tokens around one that looks at all; one of other heads and dimensions; one that reads the second's keys with twice the queries;
    // one with latent keys, whose first 48 numbers are the value.
    private static readonly CacheGeometry s_mixed = AttentionCases.Geometry(layers: 6).WithLayers((layer, shape) => layer switch
    {
        0 or 2 => shape with { SlidingWindow = 100 },
        3 => shape with { KvHeads = 3, QueryHeads = 6, KeyDimension = 96, ValueDimension = 32 },
        4 => shape with { SharedLayer = 1, QueryHeads = 8 },
        5 => shape with { KvHeads = 1, QueryHeads = 16, KeyDimension = 80, ValueDimension = 48, ValuesInKeys = true },
        _ => shape,
    });

    [Theory]
    [InlineData("turboquant:bits=4")]
    [InlineData("turboquant:bits=3,code=trellis,mean=32,meanbits=8,frame=balanced")]
    [InlineData("kivi:bits=2")]
    [InlineData("q8")]
    public void EveryLayerAttendsAsItsShapeSays(string spec)
    {
        using var cache = new KvCache(AttentionCases.Options(s_mixed, spec));
        Fill(cache, 400, seed: 1);
        foreach (SimdSettings run in SimdSettings.All([s_exact]))
        {
            for (int layer = 0; layer < s_mixed.Layers; layer++)
            {
                int at = layer;
                run.Do(() => AssertLayer(cache, at, run.Settings, spec));
            }
        }

        Assert.Equal([100 + 4, 400, 100 + 4, 400, 400, 400], Enumerable.Range(0, 6).Select(cache.LiveTokens));
    }

    [Theory]
    [InlineData("turboquant:bits=4")]
    [InlineData("fp32")]
    public void PromptsAndStepsAreTheSame(string spec)
    {
        CacheGeometry geometry = s_mixed;
        using var attention = new CacheAttention(geometry, s_exact with { Threads = 2 }) { FewestSharedPairs = 0 };
        for (int layer = 0; layer < geometry.Layers; layer++)
        {
            // Nothing leaves the window but for its end, so that both see the same rows.
            (float[] queries, float[] keys, float[] values) = Tokens(geometry, layer, 250, seed: 3);
            LayerGeometry shape = geometry[layer];
            bool shares = shape.SharedLayer is not null;
            (float[] keyRows, float[] valueRows) = shares ? Tokens(geometry, shape.SharedLayer!.Value, 250, seed: 3) is var (_, k, v) ? (k, v) : default : (keys, values);
            int q = shape.QueryHeads * shape.KeyDimension, o = shape.QueryHeads * shape.ValueDimension, kn = shape.KvHeads * shape.KeyDimension, vn = valueRows.Length / 250;
            float[] expected = new float[250 * o], actual = new float[250 * o];
            using var alone = new KvCache(AttentionCases.Options(geometry, spec, window: 300));
            int owner = shape.SharedLayer ?? layer;
            for (int t = 0; t < 250; t++)
            {
                alone.Append(owner, keyRows.AsSpan(t * kn, kn), valueRows.AsSpan(t * vn, vn));
                attention.Decode(alone, layer, queries.AsSpan(t * q, q), expected.AsSpan(t * o, o));
            }

            using var chunk = new KvCache(AttentionCases.Options(geometry, spec, window: 300));
            for (int first = 0; first < 250; first += 125)
            {
                attention.Prefill(chunk, layer, queries.AsSpan(first * q, 125 * q), keyRows.AsSpan(first * kn, 125 * kn), valueRows.AsSpan(first * vn, 125 * vn), actual.AsSpan(first * o, 125 * o), append: !shares);
                if (shares)
                    chunk.Append(owner, keyRows.AsSpan(first * kn, 125 * kn), valueRows.AsSpan(first * vn, 125 * vn));
            }

            for (int t = 0; t < 250; t++)
                AttentionCases.AssertOutput([.. expected.AsSpan(t * o, o).ToArray().Select(x => (double)x)], actual.AsSpan(t * o, o), $"{spec}, layer {layer}, token {t}", 2e-3);
        }
    }

    [Fact]
    public void WindowedLayerFreesItsPagesWhileOthersKeepTheirs()
    {
        using var pool = new PagePool();
        KvCacheOptions options = AttentionCases.Options(s_mixed, "turboquant:bits=4") with { Pool = pool };
        using var cache = new KvCache(options);
        Fill(cache, 4000, seed: 2);
        long windowed = cache.LayerStatistics(0).TotalBytes, whole = cache.LayerStatistics(1).TotalBytes;
        Assert.True(windowed < whole / 5, $"{windowed} of {whole} bytes");
        Assert.Equal(CachePlan.For(options, 4000), cache.Statistics);
        Assert.Equal(pool.UsedBytes, cache.Statistics.TotalBytes);
        Assert.Equal(0, s_mixed[4].Fp16BytesPerToken);
        Assert.Equal(cache.LayerStatistics(1), cache.LayerStatistics(4));
    }

    [Fact]
    public void EveryShapeFreezesAndForks()
    {
        foreach (string spec in (string[])["turboquant:bits=4", "kivi:bits=2", "turboquant:bits=3,code=trellis,frame=balanced", "fp32"])
        {
            KvCacheOptions options = AttentionCases.Options(s_mixed, spec);
            options = options with { Policy = [.. options.Policy.Select((specs, layer) => layer == 3 ? specs with { Eviction = new Eviction.MaxTokens(200) } : layer == 5 ? specs with { Eviction = Eviction.None } : specs)], Eviction = new Eviction.Newest(350) };
            using var cache = new KvCache(options);
            Fill(cache, 500, seed: 4);
            byte[] bytes = cache.Freeze();
            using KvCache thawed = KvCache.Thaw(bytes), fork = cache.Fork();
            Assert.Equal(bytes, thawed.Freeze());
            Assert.Equal(s_mixed, thawed.Geometry);
            Assert.Equal([104, 354, 104, 200, 354, 500], Enumerable.Range(0, 6).Select(thawed.LiveTokens));
            foreach (KvCache other in (KvCache[])[thawed, fork, cache])
                Fill(other, 30, seed: 5);
            Assert.Equal(cache.Freeze(), thawed.Freeze());
            Assert.Equal(cache.Freeze(), fork.Freeze());
            for (int layer = 0; layer < 6; layer++)
                AssertLayer(thawed, layer, s_exact, $"{spec}, thawed");
        }
    }

    [Fact]
    public void CutThatASlidingWindowCannotBearIsRefused()
    {
        using var cache = new KvCache(AttentionCases.Options(s_mixed, "q8") with { DraftTokens = 8 });
        Fill(cache, 300, seed: 6);
        byte[] before = cache.Freeze();
        Assert.True(cache.CanTruncate(292));
        Assert.False(cache.CanTruncate(291));
        Assert.Contains("sliding window of 100", Assert.Throws<InvalidOperationException>(() => cache.Truncate(291)).Message, StringComparison.Ordinal);
        Assert.Equal(before, cache.Freeze());
        cache.Truncate(292);
        for (int layer = 0; layer < 6; layer++)
            AssertLayer(cache, layer, s_exact, "after a cut");
        cache.Evict(250); // what the caller forgets is not missed
        Assert.True(cache.CanTruncate(251));
        cache.Truncate(3); // sinks are all there
        Assert.Equal(3, cache.Length);
    }

    [Fact]
    public void WhatDoesNotFitIsRefused()
    {
        CacheGeometry plain = AttentionCases.Geometry(layers: 3);
        foreach ((Func<int, LayerGeometry, LayerGeometry> change, string reason) in ((Func<int, LayerGeometry, LayerGeometry>, string)[])
        [
            ((l, s) => l == 0 ? s with { SharedLayer = 1 } : s, "must come before"),
            ((l, s) => l > 0 ? s with { SharedLayer = l - 1 } : s, "store keys of its own"),
            ((l, s) => l == 2 ? s with { SharedLayer = 1, KeyDimension = 32 } : s, "another shape"),
            ((l, s) => s with { ValuesInKeys = true, ValueDimension = 65 }, "not part of keys"),
            ((l, s) => s with { QueryHeads = 3 }, "3 query heads"),
        ])
        {
            Assert.Contains(reason, Assert.Throws<ArgumentException>(() => new KvCache(AttentionCases.Options(plain.WithLayers(change), "fp16"))).Message, StringComparison.Ordinal);
            Assert.Throws<ArgumentException>(() => new CacheAttention(plain.WithLayers(change)));
        }

        using var cache = new KvCache(AttentionCases.Options(s_mixed, "fp16"));
        using var attention = new CacheAttention(s_mixed);
        float[] row = new float[128];
        Assert.Contains("layer 1", Assert.Throws<ArgumentException>(() => cache.Append(4, row, row)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => cache.Append(5, new float[80], new float[48]));
        Assert.Throws<ArgumentException>(() => attention.Prefill(cache, 4, new float[8 * 64], row, row, new float[8 * 64]));
        Assert.Equal(0, cache.LayerLength(1));
    }

    [Fact]
    public void ShapesThatAreAlikeAreEqual()
    {
        CacheGeometry plain = AttentionCases.Geometry(layers: 3), same = plain.WithLayers((_, shape) => shape with { }), other = plain.WithLayers((layer, shape) => layer == 1 ? shape with { SlidingWindow = 9 } : shape);
        Assert.True(same.IsUniform);
        Assert.Equal(plain, same);
        Assert.False(other.IsUniform);
        Assert.NotEqual(plain, other);
        Assert.Equal(other, plain.WithLayers((layer, shape) => layer == 1 ? shape with { SlidingWindow = 9 } : shape));
        Assert.Equal(8, (other with { QueryHeads = 8 })[0].QueryHeads);
        Assert.Equal(4, (other with { QueryHeads = 8 })[1].QueryHeads);
        Assert.True((other with { Layers = 2 }).IsUniform);
    }

    private static (float[] Queries, float[] Keys, float[] Values) Tokens(CacheGeometry geometry, int layer, int tokens, int seed)
    {
        LayerGeometry shape = geometry[layer];
        return (TestRows.Gaussian(tokens * shape.QueryHeads, shape.KeyDimension, seed + (10 * layer) + 2000),
            TestRows.Gaussian(tokens * shape.KvHeads, shape.KeyDimension, seed + (10 * layer)),
            shape.ValuesInKeys ? [] : TestRows.Gaussian(tokens * shape.KvHeads, shape.ValueDimension, seed + (10 * layer) + 1000));
    }

    private static void Fill(KvCache cache, int tokens, int seed)
    {
        for (int layer = 0; layer < cache.Geometry.Layers; layer++)
        {
            if (cache.Geometry[layer].SharedLayer is not null)
                continue;
            (_, float[] keys, float[] values) = Tokens(cache.Geometry, layer, tokens, seed);
            cache.Append(layer, keys, values);
        }
    }

    private static void AssertLayer(KvCache cache, int layer, AttentionSettings settings, string what)
    {
        LayerGeometry shape = cache.Geometry[layer];
        using var attention = new CacheAttention(cache.Geometry, settings);
        float[] queries = TestRows.Gaussian(shape.QueryHeads, shape.KeyDimension, 77), outputs = new float[shape.QueryHeads * shape.ValueDimension];
        attention.Decode(cache, layer, queries, outputs);
        for (int head = 0; head < shape.QueryHeads; head++)
        {
            double[] expected = CacheAttentionReference.Attend(
                CacheAttentionReference.Rows(cache, layer, head / shape.GroupSize), queries.AsSpan(head * shape.KeyDimension, shape.KeyDimension), cache.LayerLength(layer) - 1, head, settings, shape.ValueDimension, shape.SlidingWindow).Output;
            AttentionCases.AssertOutput(expected, outputs.AsSpan(head * shape.ValueDimension, shape.ValueDimension), $"{what}, layer {layer}, query head {head}");
        }
    }
}
