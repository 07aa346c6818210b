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

    private static KvCacheOptions Options() => CacheSamples.Options("fp16") with { Policy = [LayerSpecs.FromText("quality")] };

    private static float[] Keys(KvCache cache, int first, int count)
    {
        float[] keys = new float[count * CacheSamples.KeyDimension], values = new float[count * CacheSamples.ValueDimension];
        cache.Decode(0, 1, first, count, keys, values);
        return keys;
    }
}
