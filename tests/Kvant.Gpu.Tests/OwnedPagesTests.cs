using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Gpu.Memory;
using Kvant.Tests.Attention;

namespace Kvant.Gpu.Tests;

/// <summary>Pages of a cache that lie on a device alone: the processor has no memory for them, and nothing else is different.</summary>
public sealed class OwnedPagesTests
{
    // Around a page behind sinks and window, and several of them.
    public static TheoryData<int> Lengths => [0, 3, 147, 148, 163, 164, 165, 275, 276, 300, 700];

    [Theory]
    [MemberData(nameof(Lengths))]
    public void WhatIsFullGivesItsMemoryBack(int tokens)
    {
        using PagePool pool = new(), other = new();
        using KvCache cache = OwnedCases.Cache(pool, layers: 2), plain = OwnedCases.Cache(other, layers: 2);
        using GpuKvCache copy = new(cache, GpuCases.Device, owns: true), follows = new(plain, GpuCases.Device);
        for (int layer = 0; layer < 2; layer++)
        {
            AttentionCases.Append(cache, tokens, layer, layer);
            AttentionCases.Append(plain, tokens, layer, layer);
        }

        Assert.Equal(0, OwnedCases.Away(cache));
        copy.Upload();
        Assert.Equal(OwnedCases.BytesThatStay(cache), pool.UsedBytes);
        Assert.Equal(plain.Statistics with { AwayBytes = other.UsedBytes - pool.UsedBytes }, cache.Statistics);
        Assert.Equal(tokens >= 148, OwnedCases.Away(cache) > 0);
        for (int layer = 0; layer < 2 && tokens > 0; layer++)
            Assert.Equal(OwnedCases.Decoded(follows, layer), OwnedCases.Decoded(copy, layer));
        // No page came back for it.
        Assert.Equal(OwnedCases.BytesThatStay(cache), pool.UsedBytes);
        Assert.Equal(plain.Freeze(), cache.Freeze());
        Assert.Equal((0, other.UsedBytes), (OwnedCases.Away(cache), pool.UsedBytes));
        copy.Upload();
        Assert.Equal(OwnedCases.BytesThatStay(cache), pool.UsedBytes);
    }

    [Theory]
    [InlineData("fp16", "fp32", 36)]
    [InlineData("q8", "q8", 36)]
    [InlineData("q8", "turboquant:bits=3", 80)]
    [InlineData("turboquant:bits=2,mean=32,meanbits=4", "fp16", 48)]
    [InlineData("turboquant:bits=3,code=trellis,frame=balanced,mean=32,meanbits=4", "turboquant:bits=1,code=trellis", 112)]
    [InlineData("turboquant:bits=4,group=32", "q8", 64)]
    [InlineData("turboquant:bits=4", "q8", 64, 37)]
    [InlineData("fp16", "turboquant:bits=2", 37, 48)]
    public void EveryFormComesBackAsItWas(string keys, string values, int dimension, int ofValues = 0)
    {
        CacheGeometry geometry = AttentionCases.Geometry(kvHeads: 3, keys: dimension, values: ofValues > 0 ? ofValues : dimension) with { Rotary = new() { Base = 10_000 } };
        using KvCache cache = new(AttentionCases.Options(geometry, keys, values)), plain = new(AttentionCases.Options(geometry, keys, values));
        using var copy = new GpuKvCache(cache, GpuCases.Device, owns: true);
        AttentionCases.Append(cache, 500, 4);
        AttentionCases.Append(plain, 500, 4);
        copy.Upload();
        Assert.NotEqual(0, OwnedCases.Away(cache));
        Assert.Equal(plain.Freeze(), cache.Freeze());
    }

    [Fact]
    public void PoolOfItsOwnGivesMemoryToTheSystem()
    {
        using KvCache cache = OwnedCases.Cache();
        using var copy = new GpuKvCache(cache, GpuCases.Device, owns: true);
        AttentionCases.Append(cache, 500, 2);
        copy.Upload();
        Assert.Equal(OwnedCases.BytesThatStay(cache), cache.Pool.AllocatedBytes);
    }

    [Fact]
    public void WhatWasWrittenSinceItWasCopiedStaysHere()
    {
        using KvCache cache = OwnedCases.Cache(), plain = OwnedCases.Cache();
        using var copy = new GpuKvCache(cache, GpuCases.Device, owns: true);
        AttentionCases.Append(cache, 500, 2);
        LayerCopy layer = OwnedCases.Followed(copy);
        foreach (KvCache one in new[] { cache, plain })
        {
            if (one == plain)
                AttentionCases.Append(one, 500, 2);
            one.Truncate(200);
            AttentionCases.Append(one, 300, 5);
        }

        cache.LetLeave(() => layer.Leave(cache.LayerAt(0)));
        Assert.Equal(0, OwnedCases.Away(cache));
        copy.Upload();
        Assert.NotEqual(0, OwnedCases.Away(cache));
        Assert.Equal(plain.Freeze(), cache.Freeze());
    }

    [Fact]
    public void WhatCameSinceItWasCopiedStaysHere()
    {
        using KvCache cache = OwnedCases.Cache(), plain = OwnedCases.Cache();
        using var copy = new GpuKvCache(cache, GpuCases.Device, owns: true);
        AttentionCases.Append(cache, 350, 2);
        LayerCopy layer = OwnedCases.Followed(copy);
        AttentionCases.Append(cache, 100, 5); // fills a page of which a part was copied
        cache.LetLeave(() => layer.Leave(cache.LayerAt(0)));
        long page = cache.LayerAt(0).Layout.Steps[0].PageBytes;
        Assert.Equal((2 * page, 3), (OwnedCases.Away(cache), cache.LayerAt(0).Extent.BodyRows / 128));
        AttentionCases.Append(plain, 350, 2);
        AttentionCases.Append(plain, 100, 5);
        Assert.Equal(plain.Freeze(), cache.Freeze());
    }

    [Fact]
    public void AllThreeWaysOfAppendingLeaveWhatIsFull()
    {
        using var pool = new PagePool();
        using KvCache cache = OwnedCases.Cache(pool), plain = OwnedCases.Cache();
        using GpuKvCache copy = new(cache, GpuCases.Device, encodes: true, owns: true), follows = new(plain, GpuCases.Device);
        using var attention = new GpuAttention(GpuCases.Device, cache.Geometry);
        for (int i = 0; i < 6; i++)
        {
            (float[] keys, float[] values) = AttentionCases.Rows(cache.Geometry, 130, i);
            float[] queries = AttentionCases.Queries(cache.Geometry, i, 130), outputs = new float[queries.Length], others = new float[queries.Length];
            if (i % 3 == 0)
            {
                copy.Append(0, keys, values);
                plain.Append(0, keys, values);
            }
            else if (i % 3 == 1)
            {
                attention.Prefill(copy, 0, queries, keys, values, outputs);
                attention.Prefill(follows, 0, queries, keys, values, others);
                Assert.Equal(others, outputs);
            }
            else
            {
                cache.Append(0, keys, values);
                plain.Append(0, keys, values);
                Assert.NotEqual(OwnedCases.BytesThatStay(cache), pool.UsedBytes);
                copy.Upload();
            }

            Assert.Equal(OwnedCases.BytesThatStay(cache), pool.UsedBytes);
        }

        Assert.Equal(OwnedCases.Decoded(follows), OwnedCases.Decoded(copy));
        Assert.Equal(plain.Freeze(), cache.Freeze());
    }

    [Fact]
    public void NothingGoesOverTheBusTwice()
    {
        (FailingContext context, GpuDevice device) = GpuCases.Watched();
        (FailingContext other, GpuDevice second) = GpuCases.Watched();
        using (device)
        using (second)
        {
            using KvCache cache = OwnedCases.Cache(), plain = OwnedCases.Cache();
            using GpuKvCache copy = new(cache, device, owns: true), follows = new(plain, second);
            foreach ((KvCache one, GpuKvCache of) in new[] { (cache, copy), (plain, follows) })
            {
                AttentionCases.Append(one, 700, 2);
                of.Upload();
                of.Upload();
            }

            Assert.Equal((other.WrittenBytes, 0), (context.WrittenBytes, context.ReadBytes));
            // A cut into the body: what is away is kept, and no more than the page that was cut goes there again, with the window.
            long away = OwnedCases.Away(cache), before = context.WrittenBytes, page = away / (cache.LayerAt(0).Extent.BodyRows / 128);
            cache.Truncate(600);
            Assert.InRange(context.ReadBytes, page, 2 * page); // a page on the device is padded
            long read = context.ReadBytes;
            copy.Upload();
            Assert.Equal(read, context.ReadBytes);
            Assert.InRange(context.WrittenBytes - before, 1, (2 * page) + copy.Cache.LayerAt(0).Layout.FrontBytes);
            GpuCases.AssertDecode(copy, new(), "after a cut");
        }
    }

    [Fact]
    public void ThreadThatReadsKeepsPagesHere()
    {
        using KvCache cache = OwnedCases.Cache();
        using var copy = new GpuKvCache(cache, GpuCases.Device, owns: true);
        AttentionCases.Append(cache, 400, 2);
        cache.Read(copy, (reader, mine) =>
        {
            CacheRun run = reader.Run(0, 0, 0);
            byte[] before = run.Keys.ToArray();
            mine.Upload();
            Assert.Equal(0, OwnedCases.Away(mine.Cache));
            Assert.True(run.Keys.SequenceEqual(before));
        });
        copy.Upload();
        Assert.NotEqual(0, OwnedCases.Away(cache));
    }

    [Fact]
    public async Task PagesStayHereWhileOtherThreadsRead()
    {
        using KvCache cache = OwnedCases.Cache();
        using var copy = new GpuKvCache(cache, GpuCases.Device, owns: true);
        AttentionCases.Append(cache, 400, 2);
        Task leaving = Task.CompletedTask;
        cache.Read(copy, (reader, mine) =>
        {
            CacheRun run = reader.Run(0, 0, 0);
            byte[] before = run.Keys.ToArray();
            leaving = Task.Run(mine.Upload);
            Assert.True(SpinWait.SpinUntil(() => cache.WaitingWrites > 0, TimeSpan.FromSeconds(30)));
            Assert.Equal(0, OwnedCases.Away(cache));
            Assert.True(run.Keys.SequenceEqual(before));
        });
        await leaving;
        Assert.NotEqual(0, OwnedCases.Away(cache));
    }

    [Fact]
    public void StepsByAgeGoOnWhereTheyLie()
    {
        LayerSpecs specs = new(CodecSpec.Parse("q8"), CodecSpec.Parse("q8"))
        {
            Ages = [new(300, CodecSpec.Parse("turboquant:bits=4"), CodecSpec.Parse("turboquant:bits=3")), new(650, CodecSpec.Parse("turboquant:bits=2"), CodecSpec.Parse("turboquant:bits=2"))],
        };
        using var pool = new PagePool();
        KvCacheOptions options = new() { Geometry = AttentionCases.Geometry(), Policy = [specs], Window = 16, Sinks = 4 };
        using KvCache cache = new(options with { Pool = pool }), plain = new(options);
        using GpuKvCache copy = new(cache, GpuCases.Device, owns: true), follows = new(plain, GpuCases.Device);
        for (int i = 0; i < 250; i++)
        {
            int tokens = i < 20 ? 40 : 1; // a few at each append are coded ahead
            (float[] keys, float[] values) = AttentionCases.Rows(cache.Geometry, tokens, i);
            long needed = cache.BytesToAppend(tokens), used = pool.UsedBytes;
            cache.Append(0, keys, values);
            Assert.InRange(pool.UsedBytes, 0, used + needed);
            copy.Upload();
            plain.Append(0, keys, values);
            Assert.Equal(OwnedCases.BytesThatStay(cache), pool.UsedBytes);
        }

        Assert.Equal(OwnedCases.Decoded(follows), OwnedCases.Decoded(copy));
        Assert.Equal(plain.Freeze(), cache.Freeze());
    }

    [Fact]
    public void OneCopyOwns()
    {
        using KvCache cache = OwnedCases.Cache();
        AttentionCases.Append(cache, 400, 2);
        var first = new GpuKvCache(cache, GpuCases.Device, owns: true);
        Assert.True(first.Owns);
        Assert.Contains("owns its pages", Assert.Throws<InvalidOperationException>(() => new GpuKvCache(cache, GpuCases.Device, owns: true)).Message, StringComparison.Ordinal);
        first.Upload();
        // A plain one reads what lies there, wherever it lies itself.
        (FailingContext context, GpuDevice device) = GpuCases.Watched();
        using (device)
        {
            long away = OwnedCases.Away(cache), used = GpuCases.Device.UsedBytes;
            using GpuKvCache near = new(cache, GpuCases.Device), far = new(cache, device);
            float[] expected = OwnedCases.Decoded(first);
            Assert.Equal(expected, OwnedCases.Decoded(near));
            Assert.Equal(away, OwnedCases.Away(cache));
            Assert.Equal(expected, OwnedCases.Decoded(far));
            Assert.Equal(0, OwnedCases.Away(cache));
            Assert.InRange(context.WrittenBytes, away, long.MaxValue);
            first.Dispose();
            Assert.Equal(expected, OwnedCases.Decoded(near));
        }

        using var next = new GpuKvCache(cache, GpuCases.Device, owns: true);
        next.Upload();
        Assert.NotEqual(0, OwnedCases.Away(cache));
        first.Dispose();
        Assert.NotEqual(0, OwnedCases.Away(cache)); // it is no matter of the first any more
    }

    [Fact]
    public void DisposedCopyBringsPagesHome()
    {
        using var pool = new PagePool();
        using KvCache cache = OwnedCases.Cache(pool), plain = OwnedCases.Cache();
        AttentionCases.Append(cache, 500, 2);
        AttentionCases.Append(plain, 500, 2);
        long all = pool.UsedBytes;
        var copy = new GpuKvCache(cache, GpuCases.Device, owns: true);
        copy.Upload();
        copy.Dispose();
        Assert.Equal((all, 0, 0), (pool.UsedBytes, OwnedCases.Away(cache), copy.DeviceBytes));
        Assert.Equal(plain.Freeze(), cache.Freeze());
        Assert.Throws<ObjectDisposedException>(copy.Upload);
        Assert.Equal(0, OwnedCases.Away(cache));
    }

    [Fact]
    public void MemoryGoesBackOnBothSides()
    {
        GpuCases.RequireDevice();
        using var device = GpuDevice.Open();
        using var pool = new PagePool();
        (float[] keys, float[] values) = AttentionCases.Rows(AttentionCases.Geometry(), 420, 3);
        using KvCache first = OwnedCases.Cache(pool, keys: "q8", values: "q8");
        first.Append(0, keys, values);
        long all = pool.UsedBytes;
        for (int i = 0; i < 1000; i++)
        {
            // Each way that a page may end: read, dropped, given up by the last of two caches, brought home.
            using KvCache cache = first.Fork();
            cache.Truncate(140);
            cache.Append(0, keys, values);
            using var copy = new GpuKvCache(cache, device, owns: true);
            copy.Upload();
            Assert.NotEqual(0, OwnedCases.Away(cache));
            using KvCache? fork = i % 2 == 0 ? cache.Fork() : null;
            if (i % 4 < 2)
                cache.Evict(290);
            if (i % 3 == 0)
                copy.Dispose();
            if (i % 5 == 0)
                _ = fork?.Freeze();
            if (i % 7 == 0)
                cache.Clear();
        }

        Assert.Equal((all, 0), (pool.UsedBytes, device.UsedBytes));
    }
}
