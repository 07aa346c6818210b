using Kvant.Attention;
using Kvant.Caching;
using Kvant.Tests.Attention;

namespace Kvant.Gpu.Tests;

/// <summary>The settings of attention, and what a cache forgets, mean on a device what they mean on the processor.</summary>
public sealed class SettingsTests
{
    private const string Keys = "turboquant:bits=4,code=trellis,mean=32,meanbits=8,frame=balanced", Values = "turboquant:bits=3,code=trellis,mean=32,meanbits=8";

    public static TheoryData<string, AttentionSettings> Settings => new()
    {
        { "scale", new() { Scale = 0.3f } },
        { "temperature", new() { Temperature = 0.25f } },
        { "soft cap", new() { SoftCap = 2, Scale = 0.5f } },
        { "wide soft cap", new() { SoftCap = 50 } },
        { "slopes", new() { Slopes = [0.5f, 0.25f, 0.125f, 0.0625f] } },
        { "sink logits", new() { SinkLogits = [1, -2, 4, 0] } },
        { "all", new() { Scale = 0.2f, Temperature = 0.7f, SoftCap = 5, Slopes = [0.01f, 0, 0.02f, 0.1f], SinkLogits = [0, 1, 2, 3] } },
    };

    [Theory]
    [MemberData(nameof(Settings))]
    public void EverySetting(string name, AttentionSettings settings)
    {
        (KvCache cache, GpuKvCache copy) = GpuCases.Filled(AttentionCases.Geometry(), Keys, Values, 300);
        using (cache)
        using (copy)
            GpuCases.AssertDecode(copy, settings, name);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(20)]
    [InlineData(100)]
    [InlineData(250)]
    [InlineData(1000)]
    public void SlidingWindow(int window)
    {
        CacheGeometry geometry = AttentionCases.Windowed(AttentionCases.Geometry(), window);
        (KvCache cache, GpuKvCache copy) = GpuCases.Filled(geometry, Keys, Values, 390);
        using (cache)
        using (copy)
            GpuCases.AssertDecode(copy, new(), $"a window of {window}");
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, 64)]
    [InlineData(4, 0)]
    [InlineData(200, 3)]
    public void SinksAndWindowsOfEverySize(int sinks, int window)
    {
        (KvCache cache, GpuKvCache copy) = GpuCases.Filled(AttentionCases.Geometry(), Keys, Values, 350, sinks, window);
        using (cache)
        using (copy)
            GpuCases.AssertDecode(copy, new(), $"{sinks} sinks and a window of {window}");
    }

    [Fact]
    public void WhatARuleEvictsIsNotSeen()
    {
        CacheGeometry geometry = AttentionCases.Geometry();
        using var cache = new KvCache(AttentionCases.Options(geometry, Keys, Values) with { Eviction = new Eviction.Newest(150) });
        using var copy = new GpuKvCache(cache, GpuCases.Device);
        for (int i = 0; i < 5; i++)
        {
            AttentionCases.Append(cache, 77, seed: i);
            GpuCases.AssertDecode(copy, new(), $"{cache.Length} tokens");
        }
    }

    [Fact]
    public void SinksCanBeAskedWithQueriesOfTheirOwn()
    {
        (KvCache cache, GpuKvCache copy) = GpuCases.Filled(AttentionCases.Geometry(), Keys, Values, 300);
        using (cache)
        using (copy)
        {
            CacheGeometry g = cache.Geometry;
            float[] queries = AttentionCases.Queries(g, 1), sinkQueries = AttentionCases.Queries(g, 2), outputs = new float[g.QueryHeads * g.ValueDimension], expected = new float[outputs.Length];
            using var attention = new GpuAttention(copy.Device, g);
            attention.Decode(copy, 0, queries, outputs, [], sinkQueries);
            using var reference = new CacheAttention(g, new AttentionSettings { Arithmetic = Codecs.Arithmetic.Exact });
            reference.Decode(cache, 0, queries, expected, [], sinkQueries);
            GpuCases.AssertOutput([.. expected.Select(x => (double)x)], outputs, "sinks asked apart");
        }
    }

    [Fact]
    public void LayersMayShareKeysAndDiffer()
    {
        CacheGeometry geometry = AttentionCases.Geometry(layers: 3).WithLayers((layer, shape) => layer switch
        {
            1 => shape with { SlidingWindow = 100, KeyDimension = 96, ValueDimension = 32, QueryHeads = 6 },
            2 => shape with { SharedLayer = 0, QueryHeads = 8 },
            _ => shape,
        });
        using var cache = new KvCache(AttentionCases.Options(geometry, "turboquant:bits=4", "turboquant:bits=3"));
        using var copy = new GpuKvCache(cache, GpuCases.Device);
        for (int layer = 0; layer < 2; layer++)
        {
            LayerGeometry shape = geometry[layer];
            cache.Append(layer, Kvant.Tests.TestRows.Gaussian(200 * shape.KvHeads, shape.KeyDimension, layer), Kvant.Tests.TestRows.Gaussian(200 * shape.KvHeads, shape.ValueDimension, layer + 9));
        }

        for (int layer = 0; layer < 3; layer++)
            GpuCases.AssertDecode(copy, new(), $"layer {layer}", layer: layer);
    }
}
