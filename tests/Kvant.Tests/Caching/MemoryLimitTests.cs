using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Tests.Attention;

namespace Kvant.Tests.Caching;

/// <summary>Caches that get smaller as they fill.</summary>
public sealed class MemoryLimitTests
{
    private const int Tokens = 3000;

    [Theory]
    [InlineData("q8", "turboquant:bits=2", .45)]
    [InlineData("quality", "tiny", .5)]
    [InlineData("q8; 300: turboquant:bits=4", "turboquant:bits=2", .7)]
    [InlineData("q8; 300: turboquant:bits=4; full: q4_0 / turboquant:bits=2; full: turboquant:bits=2", null, .7)]
    public void CacheStaysBelowItsLimitHoweverTokensCome(string policy, string? floor, double share)
    {
        KvCacheOptions free = Options(policy), options = Limited(free, floor, share);
        (float[] Keys, float[] Values) batch = CacheSamples.Tokens(Tokens, seed: 5);
        using var single = new KvCache(options);
        using var parts = new KvCache(options);
        int done = 0;
        long most = 0;
        for (int tokens = 1; tokens <= Tokens; tokens++)
        {
            CacheSamples.AppendPart(single, batch, tokens - 1, tokens);
            most = Math.Max(most, single.Statistics.TotalBytes);
            if (tokens % 431 != 0 && tokens != Tokens)
                continue;
            CacheSamples.AppendPart(parts, batch, done, done = tokens);
            Assert.True(parts.Freeze().AsSpan().SequenceEqual(single.Freeze()), $"{policy}, {tokens} tokens.");
            Assert.Equal(CachePlan.For(options, tokens), single.Statistics);
            using KvCache thawed = KvCache.Thaw(single.Freeze());
            CacheSamples.Append(thawed, 1, seed: 3);
            using KvCache fork = single.Fork();
            CacheSamples.Append(fork, 1, seed: 3);
            Assert.Equal(fork.Freeze(), thawed.Freeze());
        }

        Assert.InRange(most, options.MemoryLimit!.Value * 3 / 4, options.MemoryLimit.Value);
        Assert.InRange(single.Statistics.RecodedRows, 300, Tokens);
        AttentionCases.AssertDecode(single, new() { Arithmetic = Arithmetic.Exact }, policy);
    }

    // A layer so full that a block goes on to few bits as it leaves the window has most of its codes by then, a fork of it, too: no append has a whole block to encode.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void WhatGoesStraightToFewBitsIsCodedWhileItWaits(bool forked)
    {
        using var whole = new KvCache(Limited(Options("balanced"), "tiny", 1));
        CacheSamples.Append(whole, Tokens, seed: 5);
        using KvCache cache = forked ? whole.Fork() : whole;
        LayerMemory layer = cache.Layers[0];
        int straight = 0;
        for (int i = 0; i < 160; i++)
        {
            LayerExtent before = layer.Extent;
            bool coded = layer.Next[1].HasCodes(1, 0);
            CacheSamples.Append(cache, 1, seed: i);
            if (layer.Extent.BodyRows == before.BodyRows)
                continue;
            Assert.Equal(layer.Extent.BodyRows, layer.Extent.End(1));
            Assert.True(coded || straight == 0);
            straight++;
        }

        Assert.Equal(5, straight);
    }

    [Fact]
    public void OldTokensGoFirstAndValuesBeforeKeys()
    {
        KvCacheOptions options = Limited(Options("q8"), "turboquant:bits=2", .8);
        using KvCache cache = CacheSamples.Cache(options, tokens: Tokens);
        List<(string Keys, string Values, int First)> runs = Runs(cache);
        // From the oldest on: both at the floor, values alone, none.
        Assert.Equal(["Q8Codec/TurboQuantTileCodec", "Q8Codec/Q8Codec"], runs.Select(r => $"{r.Keys}/{r.Values}").Distinct());
        using KvCache tighter = CacheSamples.Cache(options with { MemoryLimit = options.MemoryLimit * 5 / 8 }, tokens: Tokens);
        Assert.Equal(["TurboQuantTileCodec/TurboQuantTileCodec", "Q8Codec/TurboQuantTileCodec"], Runs(tighter).Select(r => $"{r.Keys}/{r.Values}").Distinct().Take(2));
    }

    [Fact]
    public void WhatDoesNotFitAtTheFloorIsRefused()
    {
        KvCacheOptions options = Limited(Options("q8"), "turboquant:bits=4", .3);
        using var cache = new KvCache(options);
        int tokens = 0;
        while (cache.TryAppend(0, CacheSamples.Tokens(1, tokens).Keys, CacheSamples.Tokens(1, tokens).Values))
            tokens++;
        Assert.InRange(tokens, 1000, Tokens - 1);
        byte[] before = cache.Freeze();
        CacheFullException full = Assert.Throws<CacheFullException>(() => CacheSamples.Append(cache, 1, seed: 1));
        Assert.Equal(options.MemoryLimit, full.MemoryLimit);
        Assert.Equal(before, cache.Freeze());

        // Room that is made is used.
        cache.Evict(400);
        CacheSamples.Append(cache, 100, seed: 1);
    }

    [Fact]
    public void WorkIsSpreadOverAppends()
    {
        LayerSpecs floor = new(FailingCodec.Spec, CodecSpec.Parse("turboquant:bits=2"));
        KvCacheOptions options = CacheSamples.Options("fp16", window: 20) with { Policy = [LayerSpecs.Both(FailingCodec.Spec)], Floor = [floor] };
        options = options with { MemoryLimit = CachePlan.For(options, 2000).TotalBytes * 9 / 10 };
        using KvCache cache = CacheSamples.Cache(options, tokens: 2000);
        List<int> calls = [];
        for (int i = 0; i < 200; i++)
        {
            int before = FailingCodec.Calls;
            CacheSamples.Append(cache, 1, seed: i);
            calls.Add(FailingCodec.Calls - before);
        }

        // 32 rows are two blocks: a part of what leaves the window is two calls, and so is one of what is coded again; all of both would be twelve.
        Assert.InRange(calls.Max(), 1, 4);
        Assert.InRange(calls.Sum(), 200 * 8 / 32, 200);
    }

    [Theory]
    [InlineData("tiny", "quality", 0)] // the floor is above what tokens are
    [InlineData("turboquant:bits=4 / turboquant:bits=2", "turboquant:bits=2 / q8", 1)] // keys alone get smaller
    [InlineData("q8", "q4_0", 2)]
    public void TokensNeverGetLargerAsACacheFills(string policy, string floor, int steps)
    {
        KvCacheOptions options = Limited(Options(policy), floor, .9);
        using KvCache cache = new(options), parts = new(options);
        (float[] Keys, float[] Values) batch = CacheSamples.Tokens(Tokens, seed: 5);
        Assert.Equal(steps, cache.Layers[0].Layout.Steps.Length - 1);
        LayerLayout layout = cache.Layers[0].Layout;
        int tokens = 0;
        for (; tokens < Tokens && layout.Bytes(layout.AfterAppend(layout.Empty, tokens + 1)) <= options.MemoryLimit; tokens++)
            CacheSamples.AppendPart(cache, batch, tokens, tokens + 1);
        CacheSamples.AppendPart(parts, batch, 0, tokens);
        Assert.Equal(parts.Freeze(), cache.Freeze());
        Assert.InRange(tokens, Tokens * 3 / 4, Tokens);
    }

    [Fact]
    public void ValuesThatArePartOfKeysHaveNoStepOfTheirOwn()
    {
        KvCacheOptions options = Options("q8");
        options = options with { Geometry = options.Geometry.WithLayers((_, shape) => shape with { ValueDimension = 32, ValuesInKeys = true }) };
        using var cache = new KvCache(Limited(options, "turboquant:bits=2", .6));
        Assert.Equal(["q8", "turboquant:bits=2 / q8"], cache.Layers[0].Layout.Steps.Select(step => step.Specs.ToString()));
    }

    [Theory]
    [InlineData("q4_0; full: q8")]
    [InlineData("q8; full: turboquant:bits=2; full: turboquant:bits=3")]
    [InlineData("tiny; 512: quality; full: balanced")] // not more than the last, but than the first
    public void StepsThatMakeTokensLargerAsACacheFillsAreRefused(string policy) =>
        Assert.Contains("larger", Assert.Throws<ArgumentException>(() => new KvCache(Options(policy) with { MemoryLimit = 1 << 20 })).Message);

    [Fact]
    public void LayerThatIsFullSaysSo()
    {
        KvCacheOptions options = CacheSamples.Options("fp16", layers: 3) with { MemoryLimit = 300_000 };
        using var cache = new KvCache(options);
        CacheSamples.Append(cache, 10, seed: 1);
        CacheFullException full = Assert.Throws<CacheFullException>(() => CacheSamples.Append(cache, 1000, seed: 1, layer: 1));
        Assert.Equal($"Layer 1 needs {full.NeededBytes} bytes more; it holds 0 of at most 100000, its share of the cache's limit of 300000.", full.Message);
    }

    [Fact]
    public void WhoAsksIsToldWhatIsCodedAgain()
    {
        KvCacheOptions options = Limited(Options("q8; 300: q4_0; full: turboquant:bits=2"), null, 1.05);
        using var cache = new KvCache(options);
        Dictionary<AgeStep, int> ends = [];
        List<int> calls = [];
        cache.Recoded = (layer, first, count, step) =>
        {
            // Each step takes what is next to what it has; whoever hears of it may read the cache, and write to it.
            Assert.Equal((0, ends.GetValueOrDefault(step, first)), (layer, first));
            ends[step] = first + count;
            calls.Add(cache.Length);
            cache.Trim();
        };
        CacheSamples.Append(cache, 1000, seed: 1);
        for (int i = 0; i < Tokens - 1000; i++)
            CacheSamples.Append(cache, 1, seed: i);
        LayerExtent extent = cache.Layers[0].Extent;
        Assert.Equal([300, AgeStep.WhenFull], ends.Keys.Select(step => step.Age).Order());
        Assert.Equal(Enumerable.Range(1, 2).Select(step => 3 + extent.End(step)), cache.Layers[0].Layout.Steps[1..].Select(step => ends[step.AsAge]));
        Assert.Equal((1000, true), (calls[0], calls.Count > 60));

        // Calls tell too; forks and others do not.
        ends.Clear();
        using KvCache fork = cache.Fork();
        fork.Recode([LayerSpecs.FromText("turboquant:bits=1,code=trellis")], 500);
        Assert.Empty(ends);
        cache.Recode([LayerSpecs.FromText("turboquant:bits=1,code=trellis")], 500);
        Assert.Equal((AgeStep.Never, 483), ends.Select(pair => (pair.Key.Age, pair.Value)).Single());

        // A handler that fails changes nothing of what was done.
        cache.Recoded = (_, _, _, _) => throw new NotSupportedException("mine");
        Assert.Throws<NotSupportedException>(() => cache.Recode([LayerSpecs.FromText("turboquant:bits=1,code=trellis")], 700));
        Assert.Equal(675, 3 + cache.Layers[0].Extent.End(3));
    }

    [Fact]
    public void LimitIsKnownBefore()
    {
        KvCacheOptions options = Limited(Options("q8"), "turboquant:bits=4", .3);
        using var cache = new KvCache(options);
        while (cache.FitsLimit(1))
            CacheSamples.Append(cache, 1, seed: 1);
        (float[] keys, float[] values) = CacheSamples.Tokens(1, seed: 1);
        Assert.False(cache.TryAppend(0, keys, values));
        Assert.True(cache.FitsLimit(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.FitsLimit(-1));
        cache.Clear();
        Assert.True(cache.FitsLimit(100));
        using var free = new KvCache(Options("q8"));
        Assert.True(free.FitsLimit(int.MaxValue));
    }

    [Fact]
    public void StepsThatBeginWhileDraftsWaitAreCountedOnce()
    {
        // Drafts hold back what has the age of the first step long ago.
        KvCacheOptions options = Options("q8; 30: turboquant:bits=4") with { DraftTokens = 1500 };
        using var cache = new KvCache(Limited(options, "turboquant:bits=2", .97));
        for (int tokens = 0; tokens < Tokens; tokens++)
            CacheSamples.Append(cache, 1, seed: tokens);
        Assert.InRange(cache.Statistics.TotalBytes, 0, cache.Options.MemoryLimit!.Value);
    }

    [Fact]
    public void WhatCallsMadeSmallerIsRoomForOthers()
    {
        KvCacheOptions options = Limited(Options("q8"), "turboquant:bits=4", .9);
        using KvCache cache = new(options), single = new(options);
        foreach (KvCache each in (KvCache[])[cache, single])
        {
            CacheSamples.Append(each, 1800, seed: 1);
            Assert.Equal(0, each.Statistics.RecodedRows);
            each.Recode([LayerSpecs.FromText("turboquant:bits=2")], 1700);
        }

        // Three tokens of what is left take as much as one of q8.
        long recoded = cache.Statistics.RecodedRows;
        (float[] Keys, float[] Values) batch = CacheSamples.Tokens(2500, seed: 2);
        for (int tokens = 0; tokens < 2500; tokens++)
        {
            CacheSamples.AppendPart(single, batch, tokens, tokens + 1);
            Assert.InRange(single.Statistics.TotalBytes, 0, options.MemoryLimit!.Value);
            if (single.Statistics.TotalBytes < options.MemoryLimit * 7 / 10)
                Assert.Equal(recoded, single.Statistics.RecodedRows);
        }

        Assert.InRange(single.Statistics.RecodedRows, recoded + 100, 4300);
        CacheSamples.AppendPart(cache, batch, 0, 2500);
        Assert.Equal(single.Freeze(), cache.Freeze());
    }

    [Fact]
    public void CallsThatMakeMoreThanTheLimitAreRefused()
    {
        KvCacheOptions options = Limited(Options("q8"), "turboquant:bits=4", .6);
        using KvCache cache = CacheSamples.Cache(options, tokens: 1500);
        byte[] before = cache.Freeze();
        Assert.Contains("share", Assert.Throws<CacheFullException>(() => cache.Recode([LayerSpecs.Parse("fp16")], 1500)).Message);
        Assert.Equal(before, cache.Freeze());
        cache.Recode([LayerSpecs.Parse("q4_0")], 1500);
    }

    private static List<(string Keys, string Values, int First)> Runs(KvCache cache) => cache.Read(0, static (reader, _) =>
    {
        List<(string, string, int)> runs = [];
        for (int i = 0; i < reader.RunCount(0); i++)
        {
            CacheRun run = reader.Run(0, 0, i);
            if (run.FirstPosition >= 3 && run.KeyCodec is not Fp16Codec)
                runs.Add((run.KeyCodec.GetType().Name, run.ValueCodec.GetType().Name, run.FirstPosition));
        }

        return runs;
    });

    private static KvCacheOptions Limited(KvCacheOptions free, string? floor, double share) =>
        free with { MemoryLimit = (long)(CachePlan.For(free, Tokens).TotalBytes * share), Floor = floor is null ? null : [LayerSpecs.FromText(floor)] };

    private static KvCacheOptions Options(string policy)
    {
        KvCacheOptions options = CacheSamples.Options("q8") with { Policy = [LayerSpecs.FromText(policy)] };
        return options with { Geometry = options.Geometry with { Rotary = new() } };
    }
}
