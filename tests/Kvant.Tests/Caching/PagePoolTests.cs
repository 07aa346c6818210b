using Kvant.Caching;
using Kvant.Formats;

namespace Kvant.Tests.Caching;

public sealed class PagePoolTests
{
    [Fact]
    public void ForksShareTheirMemoryUntilTheyWrite()
    {
        using var pool = new PagePool();
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("q8", pool: pool), tokens: 400);
        byte[] frozen = cache.Freeze();
        long alone = pool.UsedBytes;
        using KvCache fork = cache.Fork();
        Assert.Equal(alone, pool.UsedBytes);
        Assert.Equal((alone, alone), (cache.Statistics.TotalBytes, cache.Statistics.SharedBytes));

        // The first write copies the front and the open page, and leaves full pages shared.
        CacheSamples.Append(fork, 1, seed: 2);
        Assert.Equal(frozen, cache.Freeze());
        Assert.Equal(fork.Statistics.SharedBytes, cache.Statistics.SharedBytes);
        Assert.InRange(fork.Statistics.SharedBytes, 1, alone - 1);
        Assert.Equal(cache.Statistics.TotalBytes + fork.Statistics.TotalBytes - fork.Statistics.SharedBytes, pool.UsedBytes);
        long used = pool.UsedBytes;
        CacheSamples.Append(fork, 1, seed: 3);
        Assert.Equal(used, pool.UsedBytes);

        cache.Dispose();
        Assert.Equal((fork.Statistics.TotalBytes, 0), (pool.UsedBytes, fork.Statistics.SharedBytes));
    }

    [Theory]
    [InlineData("turboquant:bits=4", 300)]
    [InlineData("turboquant:bits=3,mean=32", 290)] // cut into a block, which both close again
    [InlineData("kivi|outlier", 200)]
    public void ForksThatBothGrowKeepTheirOwn(string pair, int length)
    {
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options(pair), tokens: 320), alone = CacheSamples.Cache(CacheSamples.Options(pair), tokens: 320);
        cache.Truncate(length);
        alone.Truncate(length);
        byte[] frozen = alone.Freeze();
        using KvCache fork = cache.Fork(), third = fork.Fork();
        foreach ((KvCache one, int seed) in (IEnumerable<(KvCache, int)>)[(cache, 5), (fork, 6)])
        {
            for (int i = 0; i < 4; i++)
                CacheSamples.Append(one, 20, seed + (10 * i));
        }

        foreach ((KvCache one, int seed) in (IEnumerable<(KvCache, int)>)[(cache, 5), (fork, 6)])
        {
            using KvCache wanted = KvCache.Thaw(frozen);
            for (int i = 0; i < 4; i++)
                CacheSamples.Append(wanted, 20, seed + (10 * i));
            Assert.Equal(wanted.Freeze(), one.Freeze());
        }

        Assert.Equal(frozen, third.Freeze());
    }

    [Fact]
    public void ForkOfACacheWithItsOwnPoolOutlivesIt()
    {
        KvCache cache = CacheSamples.Cache(CacheSamples.Options("kivi"), tokens: 200);
        byte[] frozen = cache.Freeze();
        using KvCache fork = cache.Fork();
        cache.Dispose();
        Assert.Equal(frozen, fork.Freeze());
        CacheSamples.Append(fork, 200, seed: 5);
        Assert.Equal(400, fork.Length);
    }

    [Fact]
    public void LimitRefusesCleanlyAndTheCacheGoesOn()
    {
        long bytes = CachePlan.For(CacheSamples.Options("turboquant:bits=4"), 400).TotalBytes;
        using var pool = new PagePool(bytes);
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("turboquant:bits=4", pool: pool), tokens: 390);
        byte[] frozen = cache.Freeze();
        var refused = Assert.Throws<CacheFullException>(() => CacheSamples.Append(cache, 2000, seed: 2));
        Assert.Contains($"at most {bytes}", refused.Message, StringComparison.Ordinal);
        Assert.Equal(frozen, cache.Freeze());
        Assert.Equal(cache.Statistics.TotalBytes, pool.UsedBytes);

        using (KvCache fork = cache.Fork())
        {
            // Cut into the body the fork must copy its front, for which there is no room; and so must the source.
            byte[] before = fork.Freeze();
            Assert.Throws<CacheFullException>(() => fork.Truncate(110));
            Assert.Throws<CacheFullException>(() => CacheSamples.Append(cache, 1, seed: 2));
            Assert.Equal(before, fork.Freeze());
            Assert.Equal(frozen, cache.Freeze());
        }

        CacheSamples.Append(cache, 10, seed: 3);
        Assert.Equal(400, cache.Length);
    }

    [Theory]
    [InlineData("turboquant:bits=4")]
    [InlineData("kivi|outlier")]
    public void TokensFitIfThePoolHasTheBytesThatTheyNeedAndOnlyThen(string pair)
    {
        var random = new Random(11);
        using var pool = new PagePool(64 << 20);
        KvCacheOptions options = CacheSamples.Options(pair, layers: 2, eviction: new Eviction.Newest(300), pool: pool);
        using var cache = new KvCache(options);
        var forks = new Stack<KvCache>();
        for (int step = 0; step < 40; step++)
        {
            // Some share pages with forks, some are cut into a block.
            if (random.Next(3) == 0)
                forks.Push(cache.Fork());
            if (random.Next(4) == 0 && forks.TryPop(out KvCache? fork))
                fork.Dispose();
            if (random.Next(3) == 0)
                cache.Truncate(Math.Max(0, cache.Length - random.Next(100)));

            int tokens = random.Next(4) == 0 ? random.Next(400) : random.Next(30);
            (float[] keys, float[] values) = CacheSamples.Tokens(tokens, seed: step);
            Half[] halfKeys = [.. keys.Select(x => (Half)x)], halfValues = [.. values.Select(x => (Half)x)];
            ushort[] none = new ushort[keys.Length], noneValues = new ushort[values.Length];
            Assert.Equal(cache.BytesToAppend(tokens), cache.BytesToAppend(0, tokens) + cache.BytesToAppend(1, tokens));
            for (int layer = 0; layer < 2; layer++)
            {
                long needed = cache.BytesToAppend(layer, tokens);
                if (needed > 0)
                {
                    byte[] frozen = cache.Freeze();
                    Assert.True(pool.TryRent(pool.MemoryLimit - pool.UsedBytes - needed + 1, out Kvant.Memory.NativePage? ballast));
                    long used = pool.UsedBytes;
                    Assert.False(cache.TryAppend(layer, keys, values));
                    Assert.False(cache.TryAppend(layer, halfKeys, halfValues));
                    Assert.False(cache.TryAppend(layer, TokenRows.BFloat16(none), TokenRows.BFloat16(noneValues)));
                    var full = Assert.Throws<CacheFullException>(() => cache.Append(layer, keys, values));
                    Assert.Equal((needed, used, pool.MemoryLimit), (full.NeededBytes, full.HeldBytes, full.MemoryLimit));
                    Assert.Equal(used, pool.UsedBytes);
                    Assert.Equal(frozen, cache.Freeze());
                    pool.Return(ballast);
                }

                Assert.True(pool.TryRent(pool.MemoryLimit - pool.UsedBytes - needed, out Kvant.Memory.NativePage? exact));
                Assert.True(step % 2 == 0 ? cache.TryAppend(layer, keys, values) : cache.TryAppend(layer, halfKeys, halfValues));
                pool.Return(exact);
            }
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => cache.BytesToAppend(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.BytesToAppend(int.MaxValue));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.BytesToAppend(2, 1));
        Assert.Throws<ArgumentException>(() => cache.TryAppend(0, new float[1], default));
        while (forks.TryPop(out KvCache? fork))
            fork.Dispose();
    }

    [Fact]
    public void FreePagesAreReusedTrimmedAndMakeRoom()
    {
        KvCacheOptions options = CacheSamples.Options("q8");
        long bytes = CachePlan.For(options, 400).TotalBytes;
        using var pool = new PagePool(2 * bytes);
        KvCache cache = CacheSamples.Cache(options with { Pool = pool }, tokens: 400);
        cache.Clear();
        Assert.Equal((bytes, bytes, 0), (pool.AllocatedBytes, pool.FreeBytes, pool.UsedBytes));
        CacheSamples.Append(cache, 400, seed: 1);
        Assert.Equal((bytes, 0, bytes), (pool.AllocatedBytes, pool.FreeBytes, pool.UsedBytes));
        cache.Clear();

        // Pages of another size: what is free goes back to the system before the limit refuses.
        using KvCache other = CacheSamples.Cache(CacheSamples.Options("fp16", pool: pool), tokens: 300);
        Assert.InRange(pool.AllocatedBytes, other.Statistics.TotalBytes, 2 * bytes);
        cache.Dispose();
        pool.Trim();
        Assert.Equal((other.Statistics.TotalBytes, 0), (pool.AllocatedBytes, pool.FreeBytes));
        Assert.Throws<ArgumentOutOfRangeException>(() => new PagePool(-1));
    }

    [Fact]
    public void DisposedPoolTakesPagesBackAndGivesNone()
    {
        var pool = new PagePool();
        KvCache cache = CacheSamples.Cache(CacheSamples.Options("q8", pool: pool), tokens: 100);
        pool.Dispose();
        pool.Dispose();
        Assert.Throws<ObjectDisposedException>(() => CacheSamples.Append(cache, 500, seed: 1));
        Assert.Equal(100, cache.Length);
        cache.Dispose();
        Assert.Equal(0, pool.AllocatedBytes);
    }

    [Theory]
    [MemberData(nameof(CacheSamples.Pairs), MemberType = typeof(CacheSamples))]
    public void PlanSaysWhatTheCacheAndThePoolSay(string pair)
    {
        foreach (Eviction eviction in (Eviction[])[Eviction.None, new Eviction.Newest(150), new Eviction.MaxTokens(9)])
        {
            foreach (int tokens in (int[])[0, 2, 4, 60, 200, 419])
            {
                using var pool = new PagePool();
                KvCacheOptions options = CacheSamples.Options(pair, layers: 2, eviction: eviction, pool: pool);
                using KvCache cache = CacheSamples.Cache(options, tokens);
                CacheStatistics plan = CachePlan.For(options, tokens);
                Assert.Equal(plan, cache.Statistics);
                Assert.Equal(pool.UsedBytes, plan.TotalBytes);
                Assert.Equal(plan, CacheStatistics.Sum([cache.LayerStatistics(0), cache.LayerStatistics(1)]));
                Assert.True(plan.FreeBytes >= 0);
            }
        }
    }

    [Fact]
    public void StatisticsCountEveryKindOfByte()
    {
        // 2 heads; sinks 3; window 20; body 177 - 177 % 32 = 160 keys of kivi: per block of 32 tokens and channel 4 bytes of range and 8 of codes.
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("kivi|outlier"), tokens: 200);
        cache.Evict(3 + 40);
        CacheStatistics s = cache.Statistics;
        Assert.Equal(160, 197 - s.WindowRows);
        Assert.Equal(2 * 4 * 64 * 4, s.KeyScaleBytes);
        Assert.Equal(2 * 4 * 64 * 8, s.KeyCodeBytes);
        Assert.Equal(2 * 128 * 4, s.ValueScaleBytes); // two fp16 scales a row
        Assert.Equal(2 * 128 * (12 + 16), s.ValueCodeBytes); // 32 channels of 3 bits, 64 of 2
        Assert.Equal(2 * (64 + 96) * 2 * 3, s.SinkBytes);
        Assert.Equal(2 * (64 + 96) * 2 * 37, s.WindowBytes);
        Assert.Equal(2 * 12, s.StateBytes);
        Assert.Equal(2 * ((64 * 12) + (32 * 32)), s.DeadBytes); // the first block; the second still has rows that live
        Assert.Equal(160, s.LiveRows);
        Assert.Equal(160 * 2 * (64 + 96) * 2, s.Fp16Bytes);
        Assert.Equal((double)s.Fp16Bytes / s.TotalBytes, s.CompressionRatio);
        Assert.Equal(8.0 * s.TotalBytes / (160 * 2 * (64 + 96)), s.BitsPerValue, 1e-12);
    }
}
