using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Memory;
using Kvant.Tests.Attention;

namespace Kvant.Gpu.Tests;

/// <summary>Pages that cannot come home: the pool has no room, or the device does not give them. It is said, nothing is half done, and all else goes on.</summary>
public sealed class OwnedRefusalTests
{
    private const int Border = 4 + 128 + 64; // a cut here needs no codes

    [Fact]
    public void WhatFindsNoRoomIsRefusedBeforeAnythingChanges()
    {
        using KvCache plain = OwnedCases.Cache();
        AttentionCases.Append(plain, 700, 2);
        long all = plain.Statistics.TotalBytes, page = plain.LayerAt(0).Layout.Steps[0].PageBytes;
        using var pool = new PagePool(all);
        using KvCache cache = OwnedCases.Cache(pool);
        using GpuKvCache copy = new(cache, GpuCases.Device, owns: true), follows = new(plain, GpuCases.Device);
        AttentionCases.Append(cache, 700, 2);
        copy.Upload();
        float[] expected = OwnedCases.Decoded(follows);

        NativePage room = Fill(pool, page - 1);
        long away = OwnedCases.Away(cache);
        Assert.Equal(page, Assert.Throws<CacheFullException>(() => OwnedCases.DecodedHere(cache)).NeededBytes);
        Assert.Throws<CacheFullException>(() => cache.Freeze());
        Assert.Throws<CacheFullException>(() => cache.Truncate(300));
        Assert.Throws<CacheFullException>(() => cache.Recode(LayerPolicy.Uniform(1, CodecSpec.Parse("turboquant:bits=2"), CodecSpec.Parse("turboquant:bits=2")), 400));
        Assert.Equal((700, away), (cache.Length, OwnedCases.Away(cache)));
        // What needs no page goes on.
        Assert.Equal(expected, OwnedCases.Decoded(copy));
        cache.Truncate(699);
        plain.Truncate(699);
        Assert.Equal(OwnedCases.Decoded(follows), OwnedCases.Decoded(copy));
        // A copy that is given up leaves on the device what has no room here.
        copy.Dispose();
        Assert.Equal(away, OwnedCases.Away(cache));
        pool.Return(room);
        Assert.Equal(plain.Freeze(), cache.Freeze());
        Assert.Equal(0, OwnedCases.Away(cache));
    }

    [Fact]
    public void AppendThatMustReadAPageSaysHowMuchItNeeds()
    {
        using var pool = new PagePool(1 << 20);
        using KvCache cache = OwnedCases.Cache(pool), plain = OwnedCases.Cache();
        using var copy = new GpuKvCache(cache, GpuCases.Device, owns: true);
        foreach (KvCache one in new[] { cache, plain })
        {
            AttentionCases.Append(one, 500, 2);
            if (one == cache)
                copy.Upload();
            one.Truncate(Border);
        }

        (float[] keys, float[] values) = AttentionCases.Rows(cache.Geometry, 60, 9);
        long page = cache.LayerAt(0).Layout.Steps[0].PageBytes;
        Assert.Equal(2 * page, OwnedCases.Away(cache));
        Assert.Equal((0, page), (cache.BytesToAppend(10), cache.BytesToAppend(60)));
        NativePage room = Fill(pool, page - 1);
        Assert.False(cache.TryAppend(0, keys, values));
        Assert.Equal(page, Assert.Throws<CacheFullException>(() => cache.Append(0, keys, values)).NeededBytes);
        Assert.Equal((Border, 2 * page), (cache.Length, OwnedCases.Away(cache)));
        pool.Return(room);
        Assert.True(cache.TryAppend(0, keys, values));
        plain.Append(0, keys, values);
        Assert.Equal(page, OwnedCases.Away(cache)); // the other one was not touched
        Assert.Equal(plain.Freeze(), cache.Freeze());
    }

    [Fact]
    public void PoolThatIsFullLeavesThemWhereTheyLie()
    {
        LayerSpecs floor = new(CodecSpec.Parse("turboquant:bits=2"), CodecSpec.Parse("turboquant:bits=2"));
        using var pool = new PagePool(300_000);
        KvCacheOptions options = AttentionCases.Options(AttentionCases.Geometry(), "q8", "q8") with { Pool = pool, Floor = [floor] };
        using KvCache cache = new(options), other = new(options);
        using var copy = new GpuKvCache(cache, GpuCases.Device, owns: true);
        AttentionCases.Append(cache, 700, 2);
        copy.Upload();
        byte[] before = cache.Freeze();
        copy.Upload();
        long away = OwnedCases.Away(cache);
        int tokens = 0;
        while (other.TryAppend(0, AttentionCases.Rows(other.Geometry, 32, tokens).Keys, AttentionCases.Rows(other.Geometry, 32, tokens).Values))
            tokens += 32;
        Assert.NotEqual(0, other.Statistics.RecodedRows);
        Assert.Equal((away, 0), (OwnedCases.Away(cache), cache.Statistics.RecodedRows));
        other.Dispose();
        Assert.Equal(before, cache.Freeze());
    }

    [Fact]
    public void EveryReadOfADeviceMayFail()
    {
        (FailingContext context, GpuDevice device) = GpuCases.Watched();
        using (device)
        {
            using var pool = new PagePool();
            using KvCache cache = OwnedCases.Cache(pool), plain = OwnedCases.Cache();
            using var copy = new GpuKvCache(cache, device, owns: true);
            AttentionCases.Append(cache, 700, 2);
            AttentionCases.Append(plain, 700, 2);
            float[] expected = OwnedCases.DecodedHere(plain);
            Action[] reads =
            [
                () => OwnedCases.DecodedHere(cache), () => OwnedCases.DecodedHere(cache, threads: 2), () => cache.Freeze(), () => cache.Truncate(600), () => cache.Decode(0, 0, 100, 200, new float[200 * 64], new float[200 * 64]),
                () => cache.Recode(LayerPolicy.Uniform(1, CodecSpec.Parse("turboquant:bits=2"), CodecSpec.Parse("turboquant:bits=2")), 400),
            ];
            foreach (Action read in reads)
            {
                copy.Upload();
                (long away, long used) = (OwnedCases.Away(cache), pool.UsedBytes);
                context.CallsBeforeFailure = 0;
                string message = Assert.Throws<InvalidOperationException>(read).Message;
                Assert.Contains(device.Info.Name, message, StringComparison.Ordinal);
                Assert.EndsWith("The device was lost.", message, StringComparison.Ordinal);
                // Other threads may have read other pages meanwhile.
                Assert.Equal(used + away, pool.UsedBytes + OwnedCases.Away(cache));
                Assert.NotEqual(0, OwnedCases.Away(cache));
                Assert.Equal(expected, OwnedCases.DecodedHere(cache));
            }

            Assert.Equal(plain.Freeze(), cache.Freeze());
        }
    }

    [Fact]
    public void EveryCallOfTheDriverMayFail()
    {
        (FailingContext context, GpuDevice device) = GpuCases.Watched();
        using (device)
        {
            using KvCache cache = OwnedCases.Cache(), plain = OwnedCases.Cache();
            using GpuKvCache copy = new(cache, device, owns: true), follows = new(plain, device);
            int failures = 0;
            for (int i = 0; i < 40; i++)
            {
                (float[] keys, float[] values) = AttentionCases.Rows(cache.Geometry, 70, i);
                context.CallsBeforeFailure = i % 5;
                if (i % 2 == 0)
                {
                    // The tokens are taken, whatever becomes of the copy.
                    copy.Append(0, keys, values);
                }
                else
                {
                    cache.Append(0, keys, values);
                    failures += Record.Exception(copy.Upload) is GpuException ? 1 : 0;
                }

                context.CallsBeforeFailure = -1;
                plain.Append(0, keys, values);
                if (i % 5 == 4)
                    Assert.Equal(OwnedCases.Decoded(follows), OwnedCases.Decoded(copy));
            }

            Assert.InRange(failures, 4, 19);
            copy.Upload();
            Assert.NotEqual(0, OwnedCases.Away(cache));
            context.CallsBeforeFailure = 0;
            copy.Dispose(); // the first page does not come, and the rest is not asked for
            context.CallsBeforeFailure = -1;
            Assert.NotEqual(0, OwnedCases.Away(cache));
            Assert.Equal(plain.Freeze(), cache.Freeze()); // the device is there again
        }
    }

    [Fact]
    public void DeviceThatIsDisposedFirstTakesPagesAlong()
    {
        (_, GpuDevice device) = GpuCases.Watched();
        using var pool = new PagePool();
        KvCache cache = OwnedCases.Cache(pool);
        using KvCache plain = OwnedCases.Cache();
        var copy = new GpuKvCache(cache, device, owns: true);
        AttentionCases.Append(cache, 500, 2);
        AttentionCases.Append(plain, 500, 2);
        copy.Upload();
        long away = OwnedCases.Away(cache);
        device.Dispose();
        for (int i = 0; i < 2; i++)
        {
            Assert.Contains(device.Info.Name, Assert.Throws<InvalidOperationException>(() => OwnedCases.DecodedHere(cache)).Message, StringComparison.Ordinal);
            Assert.Contains(device.Info.Name, Assert.Throws<InvalidOperationException>(() => cache.Freeze()).Message, StringComparison.Ordinal);
            Assert.Throws<InvalidOperationException>(() => cache.Truncate(200));
            copy.Dispose();
            Assert.Equal(away, OwnedCases.Away(cache));
        }

        // What does not need them goes on: the newest tokens, more of them, and all that drops.
        AttentionCases.Append(cache, 200, 5);
        AttentionCases.Append(plain, 200, 5);
        float[] keys = new float[200 * 64], values = new float[200 * 64], others = new float[200 * 64], theirs = new float[200 * 64];
        cache.Decode(0, 0, 500, 200, keys, values);
        plain.Decode(0, 0, 500, 200, others, theirs);
        Assert.Equal(others, keys);
        Assert.Equal(theirs, values);
        using KvCache fork = cache.Fork();
        cache.Evict(500);
        plain.Evict(500);
        Assert.Equal(0, OwnedCases.Away(cache));
        Assert.Equal(OwnedCases.DecodedHere(plain), OwnedCases.DecodedHere(cache));
        Assert.Equal(plain.Freeze(), cache.Freeze());
        cache.Dispose();
        fork.Clear();
        Assert.Equal(0, pool.UsedBytes);
    }

    [Fact]
    public void PagesComeHomeWhenThePoolIsGone()
    {
        var pool = new PagePool();
        using KvCache cache = OwnedCases.Cache(pool), plain = OwnedCases.Cache();
        using var copy = new GpuKvCache(cache, GpuCases.Device, owns: true);
        AttentionCases.Append(cache, 500, 2);
        AttentionCases.Append(plain, 500, 2);
        copy.Upload();
        pool.Dispose();
        Assert.Equal(plain.Freeze(), cache.Freeze());
        copy.Upload();
        Assert.Equal(OwnedCases.BytesThatStay(cache), pool.AllocatedBytes);
        cache.Dispose();
        Assert.Equal(0, pool.AllocatedBytes);
    }

    // Somebody else takes the room, but for some of it.
    private static NativePage Fill(PagePool pool, long left)
    {
        Assert.True(pool.TryRent(pool.RoomBytes - left, out NativePage? room));
        return room;
    }
}
