using System.Runtime.CompilerServices;
using Kvant.Caching;
using Kvant.Formats;
using Kvant.Memory;
using Kvant.Tests.Kernels;

namespace Kvant.Tests.Caching;

/// <summary>Memory that is not needed any more goes back, to the pool or to the system. Alone, for what the process holds is counted.</summary>
[Collection(Widths.Name)]
public sealed class CacheMemoryTests
{
    [Fact]
    public void PoolOfOnesOwnGivesBackWhatIsCutEvictedOrCleared()
    {
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("q8"), tokens: 1000);
        Assert.Equal(cache.Statistics.TotalBytes, cache.Pool.AllocatedBytes);
        long full = cache.Pool.AllocatedBytes;
        cache.Truncate(700);
        Assert.Equal(cache.Statistics.TotalBytes, cache.Pool.AllocatedBytes);
        Assert.InRange(cache.Pool.AllocatedBytes, 1, full - 1);
        long cut = cache.Pool.AllocatedBytes;
        cache.Evict(400);
        Assert.Equal(cache.Statistics.TotalBytes, cache.Pool.AllocatedBytes);
        Assert.InRange(cache.Pool.AllocatedBytes, 1, cut - 1);
        cache.Clear();
        Assert.Equal(0, cache.Pool.AllocatedBytes);
        CacheSamples.Append(cache, 10, seed: 2);
        Assert.Equal(10, cache.Length);
    }

    [Fact]
    public void TrimGivesBackFreePagesAndBuffers()
    {
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("turboquant:bits=4", eviction: new Eviction.Newest(60)), tokens: 2000);
        (float[] keys, float[] values) = CacheSamples.Tokens(40, seed: 2);
        for (int i = 0; i < 20; i++)
            cache.Append(0, keys, values);
        long Allocated()
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            cache.Append(0, keys, values);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        // A window that slides keeps the page that it leaves for the one that it comes to.
        Assert.InRange(cache.Pool.FreeBytes, 1, long.MaxValue);
        byte[] frozen = cache.Freeze();
        cache.Trim();
        Assert.Equal((0, cache.Statistics.TotalBytes), (cache.Pool.FreeBytes, cache.Pool.AllocatedBytes));
        Assert.Equal(frozen, cache.Freeze());
        Assert.InRange(Allocated(), 40 * CacheSamples.KeyDimension * sizeof(float), long.MaxValue); // the buffers are made anew, once
        Assert.Equal(0, Enumerable.Range(0, 4).Min(_ => Allocated()));
    }

    [Fact]
    public void ForgottenCachesReturnTheirPagesToThePool()
    {
        using var pool = new PagePool();
        using KvCache kept = CacheSamples.Cache(CacheSamples.Options("turboquant:bits=4", pool: pool), tokens: 500);
        byte[] frozen = kept.Freeze();
        long alone = pool.UsedBytes;
        Forget();
        Collect();
        Assert.Equal((alone, 0), (pool.UsedBytes, kept.Statistics.SharedBytes));
        Assert.Equal(frozen, kept.Freeze());

        // Alone again, the cache writes in place.
        CacheSamples.Append(kept, 1, seed: 3);
        Assert.Equal(alone, pool.UsedBytes);

        [MethodImpl(MethodImplOptions.NoInlining)]
        void Forget()
        {
            for (int i = 0; i < 20; i++)
            {
                CacheSamples.Append(kept.Fork(), 200, seed: i);
                CacheSamples.Cache(kept.Options, tokens: 500);
                kept.Fork().Truncate(300);
            }
        }
    }

    [Fact]
    public void ForgottenCachesOfPoolsOfTheirOwnReturnEverythingToTheSystem()
    {
        Collect();
        long before = NativeSegment.LiveBytes;
        PagePool[] pools = Forget();
        Collect();
        Assert.All(pools, pool => Assert.Equal(0, pool.AllocatedBytes));
        Assert.InRange(NativeSegment.LiveBytes, 0, before);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static PagePool[] Forget()
        {
            PagePool[] pools = [.. Enumerable.Range(0, 40).Select(i =>
            {
                KvCache cache = CacheSamples.Cache(CacheSamples.Options("fp16"), tokens: 500, seed: i);
                long live = NativeSegment.LiveBytes;
                Assert.InRange(live, cache.Pool.AllocatedBytes, long.MaxValue);
                GC.KeepAlive(cache);
                return cache.Fork().Pool;
            })];
            for (int i = 0; i < 40; i++)
                _ = CacheSamples.Cache(CacheSamples.Options("fp16", pool: new PagePool()), tokens: 500, seed: i); // the pool is forgotten too
            return pools;
        }
    }

    [Fact]
    public void ForkOutlivesAForgottenSource()
    {
        using KvCache fork = Forked(out byte[] frozen);
        Collect();
        Assert.Equal(frozen, fork.Freeze());
        Assert.Equal((fork.Statistics.TotalBytes, 0), (fork.Pool.AllocatedBytes, fork.Statistics.SharedBytes));

        [MethodImpl(MethodImplOptions.NoInlining)]
        static KvCache Forked(out byte[] frozen)
        {
            KvCache cache = CacheSamples.Cache(CacheSamples.Options("kivi"), tokens: 300);
            frozen = cache.Freeze();
            return cache.Fork();
        }
    }

    [Fact]
    public unsafe void PagesOfASegmentNeverOverlapAndTheLastReturnsIt()
    {
        var random = new Random(3);
        var segment = new NativeSegment(1 << 20);
        List<(long At, long Bytes, byte Mark)> taken = [];
        for (int step = 0; step < 4000 || taken.Count > 1; step++)
        {
            if (step < 4000 && random.Next(5) > 1)
            {
                long bytes = 64 * random.Next(1, 400), at = segment.TryTake(bytes);
                if (at < 0)
                    continue;
                Assert.True(at % 64 == 0 && at + bytes <= 1 << 20);
                Assert.DoesNotContain(taken, t => t.At < at + bytes && at < t.At + t.Bytes);
                taken.Add((at, bytes, (byte)random.Next(1, 256)));
                new Span<byte>((byte*)segment.Start + at, (int)bytes).Fill(taken[^1].Mark);
            }
            else if (taken.Count > 1)
            {
                int i = random.Next(taken.Count);
                (long at, long bytes, byte mark) = taken[i];
                Assert.True(new Span<byte>((byte*)segment.Start + at, (int)bytes).IndexOfAnyExcept(mark) < 0, "A page holds what was written to another.");
                taken.RemoveAt(i);
                segment.GiveBack(at, bytes);
            }
        }

        Assert.False(segment.IsClosed);
        // What was returned is one hole again before and behind what is left.
        (long last, long size, _) = taken[0];
        Assert.True(last == 0 || segment.TryTake(last) == 0);
        Assert.True(last + size == 1 << 20 || segment.TryTake((1 << 20) - last - size) == last + size);
        Assert.Equal(-1, segment.TryTake(64));
        segment.GiveBack(last, size);
        if (last > 0)
            segment.GiveBack(0, last);
        if (last + size < 1 << 20)
            segment.GiveBack(last + size, (1 << 20) - last - size);
        Assert.True(segment.IsClosed);
    }

    private static void Collect()
    {
        for (int i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }
}
