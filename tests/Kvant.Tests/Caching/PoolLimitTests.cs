using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Tests.Attention;

namespace Kvant.Tests.Caching;

/// <summary>Caches of one pool that get smaller as it fills.</summary>
public sealed class PoolLimitTests
{
    private const int Tokens = 2000;

    [Theory]
    [InlineData("q8", "turboquant:bits=2", .5)]
    [InlineData("quality", "tiny", .6)]
    [InlineData("q8; 300: turboquant:bits=4; full: q4_0 / turboquant:bits=2; full: turboquant:bits=2", null, .8)]
    public void CachesKeepTheirPoolsLimit(string policy, string? floor, double share)
    {
        using PagePool pool = Pool(policy, caches: 2, share);
        using KvCache first = new(Options(policy, floor, pool)), second = new(Options(policy, floor, pool));
        (float[] Keys, float[] Values) one = CacheSamples.Tokens(Tokens, seed: 5), two = CacheSamples.Tokens(Tokens, seed: 6);
        for (int tokens = 0; tokens < Tokens; tokens += 50)
        {
            CacheSamples.AppendPart(first, one, tokens, tokens + 50);
            for (int token = tokens; token < tokens + 50; token++)
                CacheSamples.AppendPart(second, two, token, token + 1);
            Assert.InRange(pool.AllocatedBytes, pool.UsedBytes, pool.MemoryLimit);
        }

        // Both have given something, and hold what a codec makes of what another made.
        foreach ((KvCache cache, (float[] Keys, float[] Values) tokens) in (IEnumerable<(KvCache, (float[], float[]))>)[(first, one), (second, two)])
        {
            Assert.InRange(cache.Statistics.RecodedRows, 300, Tokens);
            AttentionCases.AssertDecode(cache, new() { Arithmetic = Arithmetic.Exact }, policy);
            using KvCache thawed = KvCache.Thaw(cache.Freeze());
            AssertSteps(thawed, tokens);
        }
    }

    [Fact]
    public void WhoIsIdleGivesFirstOldTokensFirstAndValuesBeforeKeys()
    {
        using PagePool pool = Pool("q8", caches: 2, .9);
        using KvCache idle = new(Options("q8", "turboquant:bits=2", pool)), busy = new(Options("q8", "turboquant:bits=2", pool));
        List<(int First, int Count, AgeStep Step)> told = [];
        CacheSamples.Append(busy, 100, seed: 1);
        CacheSamples.Append(idle, Tokens, seed: 2);
        idle.Recoded = (_, first, count, step) => told.Add((first, count, step));
        for (int i = 100; i < Tokens; i++)
            CacheSamples.Append(busy, 1, seed: i);
        Assert.Equal(0, busy.Statistics.RecodedRows);
        Assert.Equal(["q8 / turboquant:bits=2"], told.Select(t => new LayerSpecs(t.Step.Keys, t.Step.Values).ToString()).Distinct());
        Assert.All(told.Index(), t => Assert.Equal((3 + (t.Index * 128), 128), (t.Item.First, t.Item.Count)));

        // Then values of both, then keys.
        CacheSamples.Append(busy, Tokens, seed: 4);
        Assert.InRange(busy.Statistics.RecodedRows, 300, 2 * Tokens);
        LayerExtent extent = idle.Layers[0].Extent;
        Assert.InRange(extent.End(1) - extent.BodyRows, -127, 0);
        Assert.InRange(extent.End(2), 128, extent.End(1));
    }

    [Fact]
    public void WhatIsSharedStays()
    {
        using PagePool pool = Pool("q8", caches: 1, 1.3);
        using KvCache cache = CacheSamples.Cache(Options("q8", "turboquant:bits=2", pool), Tokens);
        KvCache fork = cache.Fork();
        Assert.False(pool.MakeRoom(pool.RoomBytes + 1));
        Assert.Equal((0, 0), (cache.Statistics.RecodedRows, fork.Statistics.RecodedRows));
        fork.Dispose();
        Assert.True(pool.MakeRoom(pool.RoomBytes + 1));
        Assert.Equal(128, cache.Statistics.RecodedRows);
    }

    [Fact]
    public void WhatCannotBeHadCostsNobodyAnything()
    {
        using PagePool pool = Pool("q8", caches: 2, 1);
        using KvCache other = CacheSamples.Cache(Options("q8", "turboquant:bits=4", pool), Tokens), cache = new(Options("q8", "turboquant:bits=4", pool));
        byte[] before = other.Freeze();
        (float[] keys, float[] values) = CacheSamples.Tokens(4 * Tokens, seed: 1);
        Assert.False(cache.TryAppend(0, keys, values));
        CacheFullException full = Assert.Throws<CacheFullException>(() => cache.Append(0, keys, values));
        Assert.Equal((pool.MemoryLimit, pool.UsedBytes), (full.MemoryLimit, full.HeldBytes));
        Assert.Equal(before, other.Freeze());
        Assert.Equal(0, cache.Length);

        // One by one all goes to the floor, but for pages too few to make room for one of q8, and then no more is taken.
        int tokens = 0;
        while (cache.TryAppend(0, keys.AsSpan(tokens * 128, 128), values.AsSpan(tokens * 192, 192)))
            tokens++;
        Assert.InRange(tokens, Tokens * 6 / 5, 4 * Tokens);
        Assert.All([cache, other], c => Assert.InRange(c.Layers[0].Extent.BodyRows - c.Layers[0].Extent.End(2), 0, (3 * 128) - 1));
        Assert.InRange(pool.UsedBytes, pool.MemoryLimit - (3 * cache.Layers[0].Layout.Steps[0].PageBytes), pool.MemoryLimit);
        Assert.Throws<ArgumentOutOfRangeException>(() => pool.MakeRoom(-1));
    }

    [Fact]
    public void NobodyIsDisturbed()
    {
        using PagePool pool = Pool("q8", caches: 2, .8);
        using KvCache read = CacheSamples.Cache(Options("q8", "turboquant:bits=2", pool), Tokens), cache = new(Options("q8", "turboquant:bits=2", pool)), own = CacheSamples.Cache(Options("q8", null, pool), 100);
        // While somebody reads, be it this thread, the cache stays as it is; and the one that grows gives itself.
        read.Read(0, (_, _) =>
        {
            Assert.False(pool.MakeRoom(pool.RoomBytes + 1));
            Assert.False(Task.Run(() => pool.MakeRoom(pool.RoomBytes + 1)).Result);
            while (cache.Statistics.RecodedRows == 0)
                CacheSamples.Append(cache, 20, seed: 1);
        });
        Assert.Equal((0, 0), (read.Statistics.RecodedRows, own.Statistics.RecodedRows));
        CacheSamples.Append(cache, 600, seed: 1);
        Assert.InRange(read.Statistics.RecodedRows, 128, Tokens);
    }

    [Fact]
    public void CutsForksAndFilesHaveRoomMadeForThem()
    {
        using PagePool pool = Pool("q8", caches: 2, .75);
        using KvCache idle = CacheSamples.Cache(Options("q8", "turboquant:bits=2", pool), Tokens), cache = new(Options("q8", "turboquant:bits=2", pool));
        while (pool.RoomBytes > idle.Layers[0].Layout.FrontBytes)
            CacheSamples.Append(cache, 1, seed: 3);
        long recoded = idle.Statistics.RecodedRows;
        using KvCache fork = cache.Fork();
        fork.Truncate(200);
        Assert.InRange(idle.Statistics.RecodedRows, recoded + 128, Tokens);
        using KvCache thawed = KvCache.Thaw(cache.Freeze(), pool);
        Assert.Equal(cache.Freeze(), thawed.Freeze());
        Assert.InRange(pool.UsedBytes, 0, pool.MemoryLimit);
    }

    [Fact]
    public async Task ThreadsShareAPool()
    {
        using PagePool pool = Pool("quality", caches: 4, .6);
        KvCache[] caches = [.. Enumerable.Range(0, 4).Select(_ => new KvCache(Options("quality", "tiny", pool)))];
        await Task.WhenAll(caches.Select((cache, seed) => Task.Run(() =>
        {
            (float[] Keys, float[] Values) tokens = CacheSamples.Tokens(Tokens, seed);
            for (int from = 0; from < Tokens; from += 25)
                CacheSamples.AppendPart(cache, tokens, from, from + 25);
        }, TestContext.Current.CancellationToken)));
        foreach ((int seed, KvCache cache) in caches.Index())
        {
            AssertSteps(cache, CacheSamples.Tokens(Tokens, seed));
            cache.Dispose();
        }

        Assert.Equal((0, pool.MemoryLimit), (pool.UsedBytes, pool.RoomBytes));
    }

    [Fact]
    public void PoolForgetsItsCaches()
    {
        using PagePool pool = Pool("q8", caches: 1, 1);
        WeakReference forgotten = Forgotten(pool);
        for (int i = 0; i < 100 && forgotten.IsAlive; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.False(forgotten.IsAlive);
        Assert.Equal(0, pool.UsedBytes);
        Assert.True(pool.MakeRoom(pool.MemoryLimit));
        for (int i = 0; i < 100; i++)
            CacheSamples.Cache(Options("q8", "turboquant:bits=2", pool), 10).Dispose();
        Assert.Equal(pool.MemoryLimit, pool.RoomBytes);

        [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        static WeakReference Forgotten(PagePool pool) => new(CacheSamples.Cache(Options("q8", "turboquant:bits=2", pool), 300));
    }

    [Fact]
    public void CacheThatIsReadFromAFileIsLeftAloneUntilItIsWhole()
    {
        using PagePool pool = Pool("q8", caches: 2, .75);
        using KvCache cache = CacheSamples.Cache(Options("q8", "turboquant:bits=2", pool), 600);
        byte[] frozen = cache.Freeze();
        using var stream = new Watched(frozen, () => pool.MakeRoom(pool.RoomBytes + 1));
        using KvCache thawed = KvCache.Thaw(stream, pool);
        Assert.Equal(frozen, thawed.Freeze());
        Assert.InRange(cache.Statistics.RecodedRows, 128, 600);
        while (pool.MakeRoom(pool.RoomBytes + 1))
        {
        }

        Assert.InRange(thawed.Statistics.RecodedRows, 512, 600);
    }

    // Something happens at each read.
    private sealed class Watched(byte[] bytes, Action reads) : MemoryStream(bytes)
    {
        // MemoryStream sends spans here, too.
        public override int Read(byte[] buffer, int offset, int count)
        {
            reads();
            return base.Read(buffer, offset, count);
        }
    }

    // Each step has what its codecs make of what those before made; the newest, of the rows.
    private static void AssertSteps(KvCache cache, (float[] Keys, float[] Values) tokens)
    {
        LayerMemory layer = cache.Layers[0];
        LayerLayout layout = layer.Layout;
        using var fresh = new KvCache(cache.Options with { Pool = null, Floor = null, Policy = [LayerSpecs.FromText(layout.Steps[0].Specs.ToString())] });
        CacheSamples.AppendPart(fresh, tokens, 0, Tokens);
        for (int side = 0; side < 2; side++)
        {
            for (int head = 0; head < layout.Heads; head++)
            {
                for (int row = 0; row < layer.Extent.BodyRows; row += layout.BlockRows)
                {
                    int step = layout.StepOf(layer.Extent, row);
                    byte[] wanted = new byte[layout.Steps[step].Sides[side].BlockBytes(layout.BlockRows)];
                    float[] rows = new float[layout.BlockRows * layout.Sides[side].Dimension];
                    Aging.Code(layer, 0, step, side, head, row, fresh.Layers[0].Body(0, side, head, row, layout.BlockRows), rows, wanted);
                    Assert.True(layer.Body(step, side, head, row, layout.BlockRows).SequenceEqual(wanted), $"Row {row}, side {side}, head {head}, step {step}.");
                }
            }
        }
    }

    private static PagePool Pool(string policy, int caches, double share) => new((long)(CachePlan.For(Options(policy, null, null), Tokens).TotalBytes * caches * share));

    private static KvCacheOptions Options(string policy, string? floor, PagePool? pool)
    {
        KvCacheOptions options = CacheSamples.Options("q8", pool: pool) with { Policy = [LayerSpecs.FromText(policy)], Floor = floor is null ? null : [LayerSpecs.FromText(floor)] };
        return options with { Geometry = options.Geometry with { Rotary = new() } };
    }
}
