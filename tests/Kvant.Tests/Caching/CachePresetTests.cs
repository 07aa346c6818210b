using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Tests.Caching;

public sealed class CachePresetTests
{
    [Fact]
    public void PresetsGoFromMuchQualityToFewBytesAtEveryUsualDimension()
    {
        Assert.Equal(["quality", "balanced", "small", "tiny"], CachePreset.All.Select(p => p.Name));
        foreach (int dimension in (int[])[64, 80, 96, 128, 256])
        {
            double[] bits = [.. CachePreset.All.Select(p =>
                (p.Keys.CreateCodec(dimension, CodecRole.Keys).BitsPerValue + p.Values.CreateCodec(dimension, CodecRole.Values).BitsPerValue) / 2)];
            Assert.Equal(bits.OrderDescending(), bits);
            Assert.Equal(4, bits.Distinct().Count());
        }
    }

    [Fact]
    public void PresetMakesOptions()
    {
        var geometry = new CacheGeometry { Layers = 3, KvHeads = 2, KeyDimension = 64, ValueDimension = 64 };
        KvCacheOptions options = KvCacheOptions.Preset("balanced", geometry);
        using var cache = new KvCache(options);
        Assert.Equal(3, options.Policy.Count);
        Assert.Equal(CachePreset.Named("balanced").Keys, options.Policy[2].Keys);
        Assert.Contains("quality, balanced, small, tiny", Assert.Throws<ArgumentException>(() => KvCacheOptions.Preset("huge", geometry)).Message, StringComparison.Ordinal);
    }
}
