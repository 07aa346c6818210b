using Kvant.Attention;
using Kvant.Caching;
using Kvant.Tests.Attention;

namespace Kvant.Gpu.Tests;

/// <summary>What a device cannot do is refused, with the reason, and leaves everything as it was.</summary>
public sealed class RefusalTests
{
    [Fact]
    public void DeviceThatIsNotThereIsRefused()
    {
        if (GpuDevice.WhyNone is { } why)
            Assert.Equal(why, Assert.Throws<GpuException>(() => GpuDevice.Open()).Message);
        else
            Assert.Contains($"there are {GpuDevice.List().Count}", Assert.Throws<GpuException>(() => GpuDevice.Open(1000)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => GpuDevice.Open(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => GpuDevice.Open(0, -1));
    }

    [Fact]
    public void DevicesAreDescribed()
    {
        GpuCases.RequireDevice();
        Assert.All(GpuDevice.List(), (info, i) =>
        {
            Assert.Equal(i, info.Number);
            Assert.NotEmpty(info.Name);
            Assert.True(info.ComputeUnits > 0 && info.MemoryBytes > 0);
        });
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void NumbersThatAreNoneAreRefusedAsOnTheProcessor(float bad)
    {
        (KvCache cache, GpuKvCache copy) = GpuCases.Filled(AttentionCases.Geometry(), "turboquant:bits=4", "turboquant:bits=4", 60);
        using (cache)
        using (copy)
        {
            float[] queries = AttentionCases.Queries(cache.Geometry, 1), outputs = new float[queries.Length];
            queries[70] = bad;
            using var attention = new GpuAttention(copy.Device, cache.Geometry);
            using var reference = new CacheAttention(cache.Geometry);
            string message = Assert.Throws<ArgumentException>(() => reference.Decode(cache, 0, queries, outputs)).Message;
            Assert.Equal(message, Assert.Throws<ArgumentException>(() => attention.Decode(copy, 0, queries, outputs)).Message);
            Assert.Equal(message, Assert.Throws<ArgumentException>(() => attention.Prefill(copy, 0, queries, new float[128], new float[128], outputs)).Message);
            float[] rows = new float[128];
            rows[3] = bad;
            Assert.Throws<ArgumentException>(() => attention.Prefill(copy, 0, new float[256], rows, new float[128], outputs));
            Assert.All(outputs, x => Assert.Equal(0, x));
            Assert.Equal(60, cache.Length);
        }
    }

    [Theory]
    [InlineData("kivi:bits=2", "kivi:bits=2", 64)]
    [InlineData("turboquant:bits=5", "turboquant:bits=4", 64)]
    [InlineData("turboquant:bits=4", "turboquant-ip:bits=4", 64)]
    [InlineData("turboquant:bits=4", "turboquant:bits=4", 72)]
    [InlineData("q4_0:mean=32", "fp16", 64)]
    public void CodecsWithoutKernelsAreRefusedByName(string keys, string values, int dimension)
    {
        using var cache = new KvCache(AttentionCases.Options(AttentionCases.Geometry(keys: dimension, values: dimension), keys, values));
        string message = Assert.Throws<NotSupportedException>(() => new GpuKvCache(cache, GpuCases.Device)).Message;
        Assert.Contains("turboquant", message, StringComparison.Ordinal);
        Assert.Matches("kivi|bits=5|turboquant-ip|'turboquant:bits=4'|q4_0", message);
    }

    [Fact]
    public void ValuesInKeysAreRefused()
    {
        CacheGeometry geometry = AttentionCases.Geometry(kvHeads: 1, keys: 96, values: 64).WithLayers((_, shape) => shape with { ValuesInKeys = true });
        using var cache = new KvCache(AttentionCases.Options(geometry, "turboquant:bits=4"));
        Assert.Contains("ValuesInKeys", Assert.Throws<NotSupportedException>(() => new GpuKvCache(cache, GpuCases.Device)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void LimitOfMemoryIsKept()
    {
        GpuCases.RequireDevice();
        using var device = GpuDevice.Open(0, 600_000);
        Assert.Equal(600_000, device.MemoryLimit);
        using var cache = new KvCache(AttentionCases.Options(AttentionCases.Geometry(), "turboquant:bits=4", "turboquant:bits=4"));
        using var copy = new GpuKvCache(cache, device);
        AttentionCases.Append(cache, 500, seed: 1);
        GpuCases.AssertDecode(copy, new(), "what fits");
        AttentionCases.Append(cache, 6000, seed: 2);
        var refused = Assert.Throws<GpuException>(copy.Upload);
        Assert.Matches("A page of the cache needs [0-9]+ bytes of the device; [0-9]+ of at most 600000 are in use", refused.Message);
        Assert.InRange(device.UsedBytes, 1, 600_000);
        // The cache is as it was, and where there is room again the copy goes on.
        cache.Truncate(600);
        GpuCases.AssertDecode(copy, new(), "what fits again");
    }

    [Fact]
    public void CopiesOfAnotherDeviceOrGeometryAreRefused()
    {
        (KvCache cache, GpuKvCache copy) = GpuCases.Filled(AttentionCases.Geometry(), "turboquant:bits=4", "turboquant:bits=4", 60);
        using (cache)
        using (copy)
        using (var device = GpuDevice.Open())
        {
            float[] queries = AttentionCases.Queries(cache.Geometry, 1), outputs = new float[queries.Length];
            using var elsewhere = new GpuAttention(device, cache.Geometry);
            Assert.Throws<ArgumentException>(() => elsewhere.Decode(copy, 0, queries, outputs));
            using var wider = new GpuAttention(copy.Device, AttentionCases.Geometry(group: 3));
            Assert.Throws<ArgumentException>(() => wider.Decode(copy, 0, new float[6 * 64], new float[6 * 64]));
            // Two contexts of one device, side by side.
            using var second = new GpuKvCache(cache, device);
            GpuCases.AssertDecode(second, new(), "the second context");
            GpuCases.AssertDecode(copy, new(), "the first");
        }
    }

    [Fact]
    public void WhatIsDisposedIsRefused()
    {
        GpuCases.RequireDevice();
        var device = GpuDevice.Open();
        (KvCache cache, GpuKvCache shared) = GpuCases.Filled(AttentionCases.Geometry(), "turboquant:bits=4", "turboquant:bits=4", 60);
        shared.Dispose();
        float[] queries = AttentionCases.Queries(cache.Geometry, 1), outputs = new float[queries.Length];
        var attention = new GpuAttention(device, cache.Geometry);
        var copy = new GpuKvCache(cache, device);
        attention.Decode(copy, 0, queries, outputs);
        copy.Dispose();
        copy.Dispose();
        Assert.Throws<ObjectDisposedException>(() => attention.Decode(copy, 0, queries, outputs));
        using var other = new GpuKvCache(cache, device);
        device.Dispose();
        device.Dispose();
        Assert.Throws<ObjectDisposedException>(() => attention.Decode(other, 0, queries, outputs));
        attention.Dispose();
        attention.Dispose();
        Assert.Throws<ObjectDisposedException>(() => attention.Decode(other, 0, queries, outputs));
        cache.Dispose();
        Assert.Throws<ObjectDisposedException>(other.Upload);
    }
}
