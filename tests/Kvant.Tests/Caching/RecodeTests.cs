using Kvant.Caching;
using Kvant.Formats;

namespace Kvant.Tests.Caching;

/// <summary>Oldest tokens that a call codes again: what <see cref="Laws.CacheLaws"/> does not say of it.</summary>
public sealed class RecodeTests
{
    private static readonly LayerSpecs s_tiny = LayerSpecs.FromText("tiny");

    [Fact]
    public void CacheGetsSmallerAndItsNewestTokensStayAsTheyAre()
    {
        using KvCache cache = CacheSamples.Cache(Options(), tokens: 700);
        float[] before = Keys(cache, 500, 200);
        CacheStatistics all = cache.Statistics;
        cache.Recode([s_tiny], 403);
        Assert.Equal(384, cache.Statistics.RecodedRows); // 400 rows behind the sinks, in blocks of 32
        Assert.InRange(cache.Statistics.TotalBytes, 0, all.TotalBytes - (300 * CacheSamples.Heads * 4 * 8));
        Assert.Equal(before, Keys(cache, 500, 200));
        Assert.Equal((700, 0L), (cache.Length, all.RecodedRows));
        Assert.Equal("quality", CachePreset.All.Single(p => p.Keys == cache.Options.Policy[0].Keys).Name);

        // Again: more of them, with the same codecs; and nothing where there is nothing to do.
        cache.Recode([s_tiny], 600);
        Assert.Equal(576, cache.Statistics.RecodedRows);
        byte[] bytes = cache.Freeze();
        cache.Recode([s_tiny], 600);
        cache.Recode([s_tiny], 100);
        Assert.Equal(bytes, cache.Freeze());
        cache.Clear();
        Assert.Equal(new KvCache(Options()).Freeze(), cache.Freeze());
    }

    [Fact]
    public void ForkKeepsWhatItHas()
    {
        using var pool = new PagePool();
        using (KvCache cache = CacheSamples.Cache(Options() with { Pool = pool }, tokens: 700))
        {
            using KvCache fork = cache.Fork();
            byte[] before = fork.Freeze();
            cache.Recode([s_tiny], 500);
            Assert.Equal(before, fork.Freeze());
            using KvCache later = cache.Fork();
            CacheSamples.Append(cache, 300, seed: 3);
            CacheSamples.Append(later, 300, seed: 3);
            Assert.Equal(cache.Freeze(), later.Freeze());
            CacheSamples.Append(fork, 300, seed: 3);
            fork.Recode([s_tiny], 500);
            Assert.Equal(cache.Freeze(), fork.Freeze());
        }

        Assert.Equal(0, pool.UsedBytes);
    }

    [Fact]
    public void LargerBlocksComeFromSeveralSteps()
    {
        // Blocks of 128 rows out of those of two steps of smaller ones; cuts go back to their beginning, thawed or not.
        KvCacheOptions options = CacheSamples.Options("q8") with { Policy = [LayerSpecs.FromText("q8; 150: turboquant:bits=4")] };
        using KvCache cache = CacheSamples.Cache(options, tokens: 400);
        float[] before = Keys(cache, 3, 397);
        cache.Recode([LayerSpecs.FromText("kivi:bits=4,group=128 / q8")], 400);
        Assert.Equal(256, cache.Statistics.RecodedRows);
        float[] after = Keys(cache, 3, 397);
        Assert.NotEqual(before, after);
        Assert.InRange(Measure.Nmse(before, after), 0, .04);
        Assert.Equal(before[(256 * CacheSamples.KeyDimension)..], after[(256 * CacheSamples.KeyDimension)..]);
        using KvCache thawed = KvCache.Thaw(cache.Freeze());
        foreach (KvCache each in (KvCache[])[cache, thawed])
        {
            each.Truncate(3 + 200);
            Assert.Equal(after[..(200 * CacheSamples.KeyDimension)].Select(x => (float)(Half)x).Skip(128 * CacheSamples.KeyDimension), Keys(each, 3, 200).Skip(128 * CacheSamples.KeyDimension));
            Assert.Equal(3, each.Statistics.ExactRows);
            CacheSamples.Append(each, 100, seed: 8);
        }

        Assert.Equal(cache.Freeze(), thawed.Freeze());
    }

    [Fact]
    public void RowsThatACutOfALargeBlockLeftStayWhateverComesNext()
    {
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("turboquant:bits=4", window: 0), tokens: 3 + 384);
        cache.Recode([LayerSpecs.FromText("kivi:bits=4,group=128 / q8")], 1000);
        cache.Truncate(3 + 228);
        float[] left = Keys(cache, 3 + 128, 100);
        foreach (string codecs in (string[])["turboquant:bits=3", "turboquant:bits=2", "turboquant:bits=1,code=trellis"])
        {
            cache.Recode([LayerSpecs.FromText(codecs)], 1000);
            Assert.Equal(left, Keys(cache, 3 + 128, 100));
            Assert.Equal(128, cache.Statistics.RecodedRows);
            using KvCache thawed = KvCache.Thaw(cache.Freeze());
            using KvCache fork = cache.Fork();
            CacheSamples.Append(thawed, 40, seed: 4);
            CacheSamples.Append(fork, 40, seed: 4);
            Assert.Equal(fork.Freeze(), thawed.Freeze());
        }
    }

    [Fact]
    public void RefusedCallsChangeNothing()
    {
        using var pool = new PagePool(600_000);
        using KvCache cache = CacheSamples.Cache(Options() with { Pool = pool }, tokens: 500);
        byte[] before = cache.Freeze();
        long used = pool.UsedBytes;
        Assert.Throws<ArgumentException>(() => cache.Recode([s_tiny, s_tiny], 400));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Recode([s_tiny], -1));
        Assert.Throws<CacheFullException>(() => cache.Recode([LayerSpecs.Parse("fp32")], 400));
        FailingCodec.CallThatFails = 30;
        Assert.Throws<NotSupportedException>(() => cache.Recode([new(FailingCodec.Spec, FailingCodec.Spec)], 400));
        FailingCodec.CallThatFails = 0;
        cache.Evict(60);
        Assert.Contains("evicted", Assert.Throws<InvalidOperationException>(() => cache.Recode([LayerSpecs.Parse("outlier")], 400)).Message);
        Assert.Equal(used, pool.UsedBytes);
        using KvCache same = KvCache.Thaw(before);
        same.Evict(60);
        Assert.Equal(same.Freeze(), cache.Freeze());

        // Frames know what they learnt, whoever is evicted.
        cache.Recode([s_tiny], 400);
        Assert.Equal(384 - 57, cache.Statistics.RecodedRows);
    }

    [Fact]
    public void TokensAreInEightKindsOfBlocksAtMost()
    {
        using KvCache cache = CacheSamples.Cache(Options(), tokens: 700);
        string[] kinds = ["q4_0", "turboquant:bits=4", "turboquant:bits=3", "turboquant:bits=2", "fp16", "turboquant:bits=2,code=trellis", "turboquant:bits=3,code=trellis"];
        for (int i = 0; i < kinds.Length; i++)
            cache.Recode([LayerSpecs.Parse(kinds[i])], 600 - (64 * i));
        byte[] before = cache.Freeze();
        Assert.Contains("eight", Assert.Throws<InvalidOperationException>(() => cache.Recode([LayerSpecs.Parse("turboquant:bits=1,code=trellis")], 100)).Message.Replace("8", "eight"));
        Assert.Equal(before, cache.Freeze());
        cache.Recode([LayerSpecs.Parse("turboquant:bits=3,code=trellis")], 700);
        cache.Recode([LayerSpecs.Parse("turboquant:bits=1,code=trellis")], 100);
    }

    [Fact]
    public async Task WhoWaitedForTheCallReadsWhatItLeft()
    {
        CancellationToken end = TestContext.Current.CancellationToken;
        using KvCache cache = CacheSamples.Cache(Options(), tokens: 700);
        using ManualResetEventSlim isReading = new(), mayEnd = new();
        Task first = Task.Run(() => cache.Read(0, (_, _) =>
        {
            isReading.Set();
            mayEnd.Wait(end);
        }), end);
        isReading.Wait(end);
        Task writer = Task.Run(() => cache.Recode([s_tiny], 700), end);
        Assert.True(SpinWait.SpinUntil(() => cache.WaitingWrites == 1, TimeSpan.FromSeconds(60)));

        // It comes while the call waits for the first reader, and so after it.
        float[] found = [];
        Exception? failure = null;
        var reader = new Thread(() => failure = Record.Exception(() => found = Keys(cache, 0, 700)));
        reader.Start();
        Assert.True(SpinWait.SpinUntil(() => reader.ThreadState.HasFlag(ThreadState.WaitSleepJoin), TimeSpan.FromSeconds(60)));
        mayEnd.Set();
        await Task.WhenAll(first, writer);
        reader.Join();
        Assert.Null(failure);
        Assert.Equal(Keys(cache, 0, 700), found);
    }

    [Fact]
    public void CacheLearnsFromQueriesAsOneThatWasThawedDoes()
    {
        KvCacheOptions options = CacheSamples.Options("q8");
        options = options with { Geometry = options.Geometry with { Rotary = new() } };
        using KvCache cache = CacheSamples.Cache(options, tokens: 300);
        cache.Recode([s_tiny], 300);
        using KvCache thawed = KvCache.Thaw(cache.Freeze());
        foreach (KvCache each in (KvCache[])[cache, thawed])
        {
            // Frames look at the queries of the first tokens, which come anew.
            each.Truncate(0);
            float[] queries = TestRows.Gaussian(200 * CacheSamples.Heads, CacheSamples.KeyDimension, seed: 4);
            for (int i = 7; i < queries.Length; i += CacheSamples.KeyDimension)
                queries[i] *= 30;
            each.ObserveQueries(0, 0, queries);
            CacheSamples.Append(each, 300, seed: 2);
        }

        Assert.Equal(thawed.Freeze(), cache.Freeze());

        // Without a step that learns from them they are forgotten.
        cache.Recode([LayerSpecs.Parse("q4_0")], 300);
        using KvCache again = KvCache.Thaw(cache.Freeze());
        Assert.Equal(cache.Freeze(), again.Freeze());
    }

    [Fact]
    public void LayersThatShareKeysAreAskedWithQueriesOfTheirOwn()
    {
        KvCacheOptions options = CacheSamples.Options("q8:frame=balanced", layers: 2);
        options = options with { Geometry = options.Geometry.WithLayers((layer, shape) => layer == 0 ? shape : shape with { SharedLayer = 0, QueryHeads = 3 * CacheSamples.Heads }) };
        using KvCache cache = CacheSamples.Cache(options, tokens: 10);
        cache.ObserveQueries(1, 0, new float[3 * CacheSamples.Heads * CacheSamples.KeyDimension]);
        Assert.Throws<ArgumentException>(() => cache.ObserveQueries(1, 0, new float[2 * CacheSamples.Heads * CacheSamples.KeyDimension]));
    }

    private static KvCacheOptions Options() => CacheSamples.Options("fp16") with { Policy = [LayerSpecs.FromText("quality")] };

    private static float[] Keys(KvCache cache, int first, int count)
    {
        float[] keys = new float[count * CacheSamples.KeyDimension], values = new float[count * CacheSamples.ValueDimension];
        cache.Decode(0, 1, first, count, keys, values);
        return keys;
    }
}
