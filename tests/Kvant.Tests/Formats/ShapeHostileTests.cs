using Kvant.Caching;
using Kvant.Formats;
using Kvant.Tests.Attention;

namespace Kvant.Tests.Formats;

/// <summary>Cache files that lie about the shapes of their layers.</summary>
public sealed class ShapeHostileTests
{
    [Theory]
    [InlineData("\"layers.2.shared_layer\":\"1\"", "\"layers.2.shared_layer\":\"2\"", "must come before")]
    [InlineData("\"layers.2.shared_layer\":\"1\"", "\"layers.2.shared_layer\":\"3\"", "must come before")]
    [InlineData("\"layers.2.shared_layer\":\"1\"", "\"layers.2.shared_layer\":\"2147483647\"", "must come before")]
    [InlineData("\"layers.2.shared_layer\":\"1\"", "\"layers.2.shared_layer\":\"-1\"", "a whole number")]
    [InlineData("\"layers.2.shared_layer\":\"1\"", "\"layers.2.shared_layer\":\"0\"", "another shape")]
    [InlineData("\"layers.0.sliding_window\":\"20\"", "\"layers.0.sliding_window\":\"-20\"", "a whole number")]
    [InlineData("\"layers.0.sliding_window\":\"20\"", "\"layers.0.sliding_window\":\"020\"", "its metadata make")]
    [InlineData("\"layers.0.sliding_window\":\"20\"", "\"layers.0.sliding_window\":\"0\"", "its metadata make")]
    [InlineData("\"layers.3.values_in_keys\":\"1\"", "\"layers.3.values_in_keys\":\"2\"", "its metadata make")]
    [InlineData("\"layers.3.value_dimension\":\"48\"", "\"layers.3.value_dimension\":\"81\"", "not part of keys")]
    [InlineData("\"layers.3.key_dimension\":\"80\"", "\"layers.3.key_dimension\":\"1048576\"", "1 to 4096")]
    [InlineData("\"layers.3.kv_heads\":\"1\"", "\"layers.3.kv_heads\":\"0\"", "at least one of each")]
    [InlineData("\"layers.3.kv_heads\":\"1\"", "\"layers.3.kv_heads\":\"3\"", "do not share")]
    [InlineData("\"layers.2.tokens\":\"60\"", "\"layers.2.tokens\":\"59\"", "cannot be")]
    [InlineData("\"layers.1.eviction.max_tokens\":\"50\"", "\"layers.1.eviction.max_tokens\":\"1\"", "keeps nothing")]
    [InlineData("\"layers.1.eviction.max_tokens\":\"50\"", "\"layers.1.eviction.none\":\"1\"", "its metadata make")]
    public void LiesAboutShapesAreFoundWithoutGreatAllocation(string old, string lie, string reason)
    {
        byte[] wrong = CacheBytes.Edit(Sample(), old, lie);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains(reason, Assert.Throws<InvalidDataException>(() => KvCache.Thaw(wrong)).Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Fact]
    public void LargestWindowMeansAllAndIsKept()
    {
        // What the shorter window forgot is what somebody wanted to be forgotten here.
        using KvCache evicted = KvCache.Thaw(Sample());
        evicted.Evict(40);
        byte[] bytes = CacheBytes.Edit(evicted.Freeze(), "\"layers.0.sliding_window\":\"20\"", "\"layers.0.sliding_window\":\"2147483647\"");
        using KvCache cache = KvCache.Thaw(bytes);
        Assert.Equal(bytes, cache.Freeze());
        Assert.Equal(int.MaxValue, cache.Geometry[0].SlidingWindow);
    }

    // Each layer of another shape: what it costs is in proportion to the file.
    [Fact]
    public void ManyShapesCostWhatTheirLayersDo()
    {
        Cost(100); // what is made once
        Assert.InRange(Cost(2000) / Cost(1000), 1, 2.5);

        static double Cost(int layers)
        {
            CacheGeometry geometry = new CacheGeometry { Layers = layers, KvHeads = 1, KeyDimension = 8, ValueDimension = 8 }
                .WithLayers((layer, shape) => shape with { KeyDimension = 8 * ((layer % 500) + 1), SlidingWindow = layer });
            byte[] bytes = CacheBytes.Build(AttentionCases.Options(geometry, "q8"), [.. Enumerable.Repeat(new LayerExtent(0, 0, 4, 0), layers)]);
            long before = GC.GetAllocatedBytesForCurrentThread();
            KvCache.Thaw(bytes).Dispose();
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }

    // A windowed layer, one that evicts on its own, one that shares it, a latent one.
    private static byte[] Sample()
    {
        CacheGeometry geometry = AttentionCases.Geometry(layers: 4).WithLayers((layer, shape) => layer switch
        {
            0 => shape with { SlidingWindow = 20 },
            2 => shape with { SharedLayer = 1 },
            3 => shape with { KvHeads = 1, KeyDimension = 80, ValueDimension = 48, ValuesInKeys = true },
            _ => shape,
        });
        KvCacheOptions options = AttentionCases.Options(geometry, "q8");
        using var cache = new KvCache(options with { Policy = [.. options.Policy.Select((specs, layer) => layer == 1 ? specs with { Eviction = new Eviction.MaxTokens(50) } : specs)] });
        foreach (int layer in (int[])[0, 1, 3])
        {
            LayerGeometry shape = geometry[layer];
            cache.Append(layer, TestRows.Gaussian(60 * shape.KvHeads, shape.KeyDimension, seed: layer), shape.ValuesInKeys ? default : TestRows.Gaussian(60 * shape.KvHeads, shape.ValueDimension, seed: layer));
        }

        return cache.Freeze();
    }
}
