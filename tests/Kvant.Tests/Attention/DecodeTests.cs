using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Tests.Kernels;
using Kvant.Tests.Reference;

namespace Kvant.Tests.Attention;

/// <summary>One token attends to a cache: equal to the softmax in double precision over the rows that the cache decodes to.</summary>
[Collection(Widths.Name)]
public sealed class DecodeTests
{
    private static readonly AttentionSettings s_exact = new() { Arithmetic = Arithmetic.Exact };

    [Theory]
    [MemberData(nameof(CodecCases.Specs), MemberType = typeof(CodecCases))]
    public void EveryCodecAttendsToWhatItDecodes(string spec)
    {
        CacheGeometry geometry = AttentionCases.Geometry();
        if (CodecCases.TryCreate(spec, geometry.KeyDimension, CodecRole.Keys) is null)
            return;
        using var cache = new KvCache(AttentionCases.Options(geometry, spec));
        AttentionCases.Append(cache, 300, seed: 3);
        AttentionCases.AssertDecode(cache, s_exact, spec);
    }

    [Theory]
    [InlineData("turboquant:bits=4")]
    [InlineData("turboquant:bits=3")]
    [InlineData("turboquant:bits=2")]
    [InlineData("q8")]
    [InlineData("kivi:bits=4")]
    [InlineData("fp32")]
    public void EveryLengthGroupAndShapeAttendsToWhatItDecodes(string spec)
    {
        foreach ((int kvHeads, int group, int keys, int values) in ((int, int, int, int)[])[(1, 1, 64, 64), (2, 5, 96, 64), (1, 16, 128, 80), (3, 3, 80, 112), (1, 4, 192, 128), (1, 2, 72, 40)])
        {
            CacheGeometry geometry = AttentionCases.Geometry(kvHeads, group, keys, values);
            foreach (int window in (int[])[0, 1, 32])
            {
                using var cache = new KvCache(AttentionCases.Options(geometry, spec, window: window));
                int seed = 0;
                foreach (int more in (int[])[0, 1, 3, 31, 1, 29, 64, 130])
                {
                    if (more > 0)
                        AttentionCases.Append(cache, more, ++seed);
                    AttentionCases.AssertDecode(cache, s_exact, $"{spec}, {geometry}, window {window}, {cache.Length} tokens", seed);
                }
            }
        }
    }

    [Theory]
    [InlineData("turboquant:bits=4")]
    [InlineData("q4_0")]
    public void SettingsAreThoseOfTheFormula(string spec)
    {
        CacheGeometry geometry = AttentionCases.Geometry(group: 4);
        using var cache = new KvCache(AttentionCases.Options(geometry, spec));
        AttentionCases.Append(cache, 333, seed: 5);
        float[] slopes = [.. Enumerable.Range(1, geometry.QueryHeads).Select(h => MathF.Pow(2, -h))];
        AttentionSettings[] all =
        [
            s_exact with { Scale = 0.5f },
            s_exact with { Temperature = 0.25f },
            s_exact with { SoftCap = 1.5f },
            s_exact with { SoftCap = 30, Scale = 20 },
            s_exact with { Slopes = slopes },
            s_exact with { Slopes = slopes, SoftCap = 2, Temperature = 2 },
            s_exact with { SinkLogits = [.. slopes.Select(x => (5 * x) - 1)] },
            s_exact with { SinkLogits = [.. slopes.Select(x => 100 * x)], SoftCap = 2 },
        ];
        foreach (SimdSettings run in SimdSettings.All(all))
            run.Do(() => AttentionCases.AssertDecode(cache, run.Settings, $"{spec}, {run.Settings}"));
        foreach (int window in (int[])[1, 77, 100, 331])
        {
            using var windowed = new KvCache(AttentionCases.Options(AttentionCases.Windowed(geometry, window), spec));
            AttentionCases.Append(windowed, 333, seed: 5);
            foreach (SimdSettings run in SimdSettings.All([s_exact, s_exact with { Slopes = slopes, SoftCap = 2, Temperature = 2 }]))
                run.Do(() => AttentionCases.AssertDecode(windowed, run.Settings, $"{spec}, window {window}, {run.Settings}"));
        }
    }

    // Floats are 1/16 apart there: a slope added to such a logit would be rounded by as much as a weight bears.
    [Fact]
    public void SlopesAndCapsAreRightFarFromZero()
    {
        foreach ((AttentionSettings settings, int window) in ((AttentionSettings, int)[])[(new() { Scale = 1, Slopes = [0.01f, 0.1f, 0.5f, 1] }, 0), (new() { Scale = 1, Slopes = [0.3f, 0, 2, 0.07f] }, 50), (new() { Scale = 1, SoftCap = 50 }, 0), (new() { Scale = 1e-4f, SoftCap = 50 }, 0)])
        {
            CacheGeometry geometry = AttentionCases.Windowed(AttentionCases.Geometry(kvHeads: 1, group: 4), window);
            using var cache = new KvCache(AttentionCases.Options(geometry, "fp32", sinks: 3, window: 20) with { WindowCodec = CodecSpec.Parse("fp32") });
            (float[] keys, float[] values) = AttentionCases.Rows(geometry, 300, seed: 1);
            float[] queries = new float[4 * 64], outputs = new float[4 * 64];
            for (int head = 0; head < 4; head++)
            {
                queries[(head * 64) + head] = 1;
                for (int t = 0; t < 300; t++)
                    keys[(t * 64) + head] = -700_000 + (t * 7 % 13 / 4f);
            }

            cache.Append(0, keys, values);
            using var attention = new CacheAttention(geometry, settings);
            attention.Decode(cache, 0, queries, outputs);
            List<CacheAttentionReference.Row> rows = CacheAttentionReference.Rows(cache, 0, 0);
            for (int head = 0; head < 4; head++)
                AttentionCases.AssertOutput(CacheAttentionReference.Attend(rows, queries.AsSpan(head * 64, 64), 299, head, settings, 64, window).Output, outputs.AsSpan(head * 64, 64), $"{settings}, head {head}");
        }
    }

    [Fact]
    public void SinksCanBeAskedWithQueriesOfTheirOwn()
    {
        CacheGeometry geometry = AttentionCases.Geometry();
        foreach (int tokens in (int[])[3, 4, 200])
        {
            using var cache = new KvCache(AttentionCases.Options(geometry, "turboquant:bits=3") with { Eviction = new Eviction.Newest(90) });
            AttentionCases.Append(cache, tokens, seed: 6);
            AttentionCases.AssertDecode(cache, s_exact, $"{tokens} tokens", sinksApart: true);
        }
    }

    [Fact]
    public void EmptyCacheAttendsToZero()
    {
        CacheGeometry geometry = AttentionCases.Geometry();
        using var cache = new KvCache(AttentionCases.Options(geometry, "turboquant:bits=4"));
        using var attention = new CacheAttention(geometry);
        float[] outputs = [.. Enumerable.Repeat(7f, geometry.QueryHeads * geometry.ValueDimension)], logSums = new float[geometry.QueryHeads];
        attention.Decode(cache, 0, AttentionCases.Queries(geometry, 1), outputs, logSums);
        Assert.All(outputs, x => Assert.Equal(0, x));
        Assert.All(logSums, x => Assert.Equal(float.NegativeInfinity, x));
    }

    [Theory]
    [InlineData("turboquant:bits=4")]
    [InlineData("turboquant:bits=2,group=32")]
    [InlineData("kivi:bits=2")]
    public void EvictedTokensHaveNoWeight(string spec)
    {
        CacheGeometry geometry = AttentionCases.Geometry();
        foreach (Eviction eviction in (Eviction[])[new Eviction.Newest(50), new Eviction.Newest(150), new Eviction.MaxTokens(140)])
        {
            using var cache = new KvCache(AttentionCases.Options(geometry, spec) with { Eviction = eviction });
            for (int seed = 1; seed <= 12; seed++)
            {
                AttentionCases.Append(cache, 29, seed);
                AttentionCases.AssertDecode(cache, s_exact, $"{spec}, {eviction}, {cache.Length} tokens", seed);
            }
        }
    }

    [Theory]
    [MemberData(nameof(CodecCases.Methods), MemberType = typeof(CodecCases))]
    public void ForkedAndThawedCachesAttendToTheBit(string method)
    {
        CacheGeometry geometry = AttentionCases.Geometry();
        using var cache = new KvCache(AttentionCases.Options(geometry, method) with { Eviction = new Eviction.Newest(250) });
        AttentionCases.Append(cache, 333, seed: 4);
        using KvCache thawed = KvCache.Thaw(cache.Freeze()), fork = cache.Fork();
        using var attention = new CacheAttention(geometry);
        float[] queries = AttentionCases.Queries(geometry, 1), expected = new float[geometry.QueryHeads * 64], actual = new float[expected.Length];
        for (int step = 0; step < 40; step++)
        {
            attention.Decode(cache, 0, queries, expected);
            foreach (KvCache other in (KvCache[])[thawed, fork])
            {
                attention.Decode(other, 0, queries, actual);
                Assert.Equal(expected, actual);
                AttentionCases.Append(other, 1, seed: 100 + step);
            }

            AttentionCases.Append(cache, 1, seed: 100 + step);
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, 4)]
    [InlineData(2, 2)]
    [InlineData(3, 1)]
    public void AnyNumberOfThreadsGivesTheSame(int kvHeads, int group)
    {
        CacheGeometry geometry = AttentionCases.Geometry(kvHeads, group, 128, 64);
        using var cache = new KvCache(AttentionCases.Options(geometry, "turboquant:bits=4"));
        AttentionCases.Append(cache, 2000, seed: 7);
        foreach (int threads in (int[])[1, 2, 3, 7])
        {
            foreach (Arithmetic arithmetic in (Arithmetic[])[Arithmetic.Exact, Arithmetic.Fast])
            {
                using var attention = new CacheAttention(geometry, new() { Threads = threads, Arithmetic = arithmetic }) { FewestSharedPairs = 0 };
                using var alone = new CacheAttention(geometry, new() { Arithmetic = arithmetic });
                for (int step = 0; step < 20; step++)
                {
                    float[] queries = AttentionCases.Queries(geometry, step), expected = new float[geometry.QueryHeads * 64], actual = new float[expected.Length];
                    alone.Decode(cache, 0, queries, expected);
                    attention.Decode(cache, 0, queries, actual);
                    AttentionCases.AssertOutput([.. expected.Select(x => (double)x)], actual, $"{threads} threads, {arithmetic}, step {step}", arithmetic == Arithmetic.Fast ? Tolerances.FastOrder : Tolerances.Attention);
                }
            }
        }
    }

    [Fact]
    public void LogitsAreThoseOfEveryLivingToken()
    {
        CacheGeometry geometry = AttentionCases.Windowed(AttentionCases.Geometry(group: 3), 120);
        AttentionSettings settings = s_exact with { SoftCap = 3 };
        foreach (int tokens in (int[])[2, 20, 400])
        {
            using var cache = new KvCache(AttentionCases.Options(geometry, "turboquant:bits=3") with { Eviction = new Eviction.Newest(170) });
            AttentionCases.Append(cache, tokens, seed: 9);
            using var attention = new CacheAttention(geometry, settings);
            int live = cache.LiveTokens(0);
            float[] queries = AttentionCases.Queries(geometry, 1), logits = new float[geometry.QueryHeads * live];
            attention.Logits(cache, 0, queries, logits);
            for (int head = 0; head < geometry.QueryHeads; head++)
            {
                ReadOnlySpan<float> query = queries.AsSpan(head * 64, 64);
                double[] expected = Reference.CacheAttentionReference.Logits(Reference.CacheAttentionReference.Rows(cache, 0, head / 3), query, tokens - 1, head, settings, 120);
                for (int i = 0; i < live; i++)
                    Assert.True(expected[i] == logits[(head * live) + i] || Math.Abs(expected[i] - logits[(head * live) + i]) < 1e-3, $"{tokens} tokens, head {head}, token {i}: {logits[(head * live) + i]}, expected {expected[i]}.");
            }
        }
    }

    [Fact]
    public void WrongShapesAreRefusedWithBothNumbers()
    {
        CacheGeometry geometry = AttentionCases.Geometry();
        using var cache = new KvCache(AttentionCases.Options(geometry, "fp16"));
        using var attention = new CacheAttention(geometry);
        float[] queries = new float[4 * 64], outputs = new float[4 * 64];
        Assert.Contains("255", Assert.Throws<ArgumentException>(() => attention.Decode(cache, 0, queries.AsSpan(1), outputs)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => attention.Decode(cache, 0, queries, outputs.AsSpan(1)));
        Assert.Throws<ArgumentException>(() => attention.Decode(cache, 0, queries, outputs, new float[3]));
        Assert.Throws<ArgumentException>(() => attention.Decode(cache, 0, queries, outputs, default, new float[3]));
        Assert.Throws<ArgumentOutOfRangeException>(() => attention.Decode(cache, 1, queries, outputs));
        using var other = new KvCache(AttentionCases.Options(AttentionCases.Geometry(kvHeads: 1), "fp16"));
        Assert.Throws<ArgumentException>(() => attention.Decode(other, 0, queries, outputs));
        Assert.Throws<ArgumentException>(() => new CacheAttention(geometry, new() { Slopes = [1, 2, 3] }));
        Assert.Throws<ArgumentException>(() => new CacheAttention(geometry, new() { Slopes = [1, 2, 3, float.NaN] }));
        Assert.Throws<ArgumentException>(() => new CacheAttention(geometry, new AttentionSettings { SinkLogits = [1, 2, 3] }));
        Assert.Throws<ArgumentException>(() => new CacheAttention(geometry, [new(), new()]));
        Assert.Throws<ArgumentException>(() => new CacheAttention(geometry with { QueryHeads = 3 }));
        foreach (Action wrong in (Action[])[() => _ = new AttentionSettings { Scale = 0 }, () => _ = new AttentionSettings { Temperature = 0 }, () => _ = new AttentionSettings { SoftCap = -1 }, () => _ = AttentionCases.Windowed(geometry, -1), () => _ = new AttentionSettings { Threads = 0 }, () => _ = new AttentionSettings { Scale = float.NaN }])
            Assert.Throws<ArgumentOutOfRangeException>(wrong);
    }

    [Theory]
    [InlineData("turboquant:bits=4", Arithmetic.Fast)]
    [InlineData("turboquant:bits=3,code=trellis", Arithmetic.Fast)]
    [InlineData("turboquant:bits=4", Arithmetic.Exact)]
    [InlineData("q8", Arithmetic.Fast)]
    public void QueryThatIsNotFiniteIsRefusedWithItsPlace(string spec, Arithmetic arithmetic)
    {
        CacheGeometry geometry = AttentionCases.Geometry();
        using var cache = new KvCache(AttentionCases.Options(geometry, spec));
        AttentionCases.Append(cache, 200, seed: 2);
        using var attention = new CacheAttention(geometry, new() { Arithmetic = arithmetic });
        Codec keys = CodecCases.Create(spec, geometry.KeyDimension, CodecRole.KeyTiles);
        PreparedQueries prepared = keys.CreatePreparedQueries(geometry.QueryHeads);
        float[] good = AttentionCases.Queries(geometry, 1), outputs = new float[geometry.QueryHeads * geometry.ValueDimension], row = new float[geometry.KvHeads * geometry.KeyDimension];
        foreach (float number in (float[])[float.NaN, float.PositiveInfinity, float.NegativeInfinity])
        {
            float[] bad = [.. good];
            bad[(2 * geometry.KeyDimension) + 5] = number;
            foreach (Action call in (Action[])
            [
                () => attention.Decode(cache, 0, bad, outputs),
                () => attention.Decode(cache, 0, good, outputs, default, bad),
                () => attention.Logits(cache, 0, bad, new float[geometry.QueryHeads * 200]),
                () => attention.Prefill(cache, 0, bad, row, row, outputs),
                () => keys.Prepare(bad, prepared),
            ])
            {
                Assert.Contains($"Query 2, channel 5 is {number}", Assert.Throws<ArgumentException>(call).Message, StringComparison.Ordinal);
            }
        }

        Assert.Equal(200, cache.LayerLength(0));
        AttentionCases.AssertDecode(cache, s_exact, $"{spec} after refusals");
    }

    [Theory]
    [InlineData("fp32", Arithmetic.Fast)]
    [InlineData("turboquant:bits=4", Arithmetic.Fast)]
    [InlineData("turboquant:bits=4", Arithmetic.Exact)]
    [InlineData("q8", Arithmetic.Fast)]
    public void ScoresThatNoFloatHoldsGiveNaN(string spec, Arithmetic arithmetic)
    {
        CacheGeometry geometry = AttentionCases.Geometry();
        using var cache = new KvCache(AttentionCases.Options(geometry, spec));
        AttentionCases.Append(cache, 200, seed: 2);
        using var attention = new CacheAttention(geometry, new() { Arithmetic = arithmetic });
        float[] outputs = new float[geometry.QueryHeads * geometry.ValueDimension], logSums = new float[geometry.QueryHeads];
        foreach (float sign in (float[])[1, -1])
        {
            float[] queries = [.. AttentionCases.Queries(geometry, 1).Select(x => sign * MathF.CopySign(float.MaxValue, x))];
            attention.Decode(cache, 0, queries, outputs, logSums);
            Assert.All(outputs, x => Assert.True(float.IsNaN(x), $"{spec}: {x}"));
            Assert.All(logSums, x => Assert.True(float.IsNaN(x), $"{spec}: {x}"));
        }
    }

    [Fact]
    public void DisposedAttentionRefusesInsteadOfWaiting()
    {
        CacheGeometry geometry = AttentionCases.Geometry();
        using var cache = new KvCache(AttentionCases.Options(geometry, "fp16"));
        AttentionCases.Append(cache, 3, seed: 1);
        var attention = new CacheAttention(geometry, new() { Threads = 3 }) { FewestSharedPairs = 0 };
        float[] queries = AttentionCases.Queries(geometry, 1), outputs = new float[geometry.QueryHeads * 64];
        attention.Decode(cache, 0, queries, outputs);
        attention.Dispose();
        attention.Dispose();
        Assert.Throws<ObjectDisposedException>(() => attention.Decode(cache, 0, queries, outputs));
        using var other = new CacheAttention(geometry, new() { Threads = 2 });
        cache.Dispose();
        Assert.Throws<ObjectDisposedException>(() => other.Decode(cache, 0, queries, outputs));
    }
}
