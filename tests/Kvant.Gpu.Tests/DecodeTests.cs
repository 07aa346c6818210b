using Kvant.Attention;
using Kvant.Caching;
using Kvant.Tests.Attention;

namespace Kvant.Gpu.Tests;

/// <summary>One token's attention on a device equals double precision over what the cache decodes.</summary>
public sealed class DecodeTests
{
    private static readonly AttentionSettings s_plain = new();

    // The rows behind the sinks that are compressed come in tiles of 32 and pages of 128.
    public static TheoryData<int> Lengths => [0, 1, 3, 4, 5, 31, 51, 52, 53, 147, 148, 149, 179, 275, 276, 277, 700];

    public static TheoryData<string> Presets => ["quality", "balanced", "small", "tiny"];

    public static TheoryData<string, string> Codecs => new()
    {
        { "fp16", "fp16" }, { "fp32", "fp32" }, { "q8", "q8" },
        { "turboquant:bits=2", "turboquant:bits=2" }, { "turboquant:bits=3", "turboquant:bits=3" }, { "turboquant:bits=4", "turboquant:bits=4" },
        { "turboquant:bits=1,code=trellis", "turboquant:bits=1,code=trellis" }, { "turboquant:bits=2,code=trellis", "turboquant:bits=2,code=trellis" },
        { "turboquant:bits=3,code=trellis", "turboquant:bits=3,code=trellis" }, { "turboquant:bits=4,code=trellis", "turboquant:bits=4,code=trellis" },
        { "turboquant:bits=4,code=uniform", "turboquant:bits=3,scale=unbiased" }, { "turboquant:bits=4,rotation=haar", "turboquant:bits=4,rotation=none" },
        { "turboquant:bits=4,group=32", "turboquant:bits=3,group=32" }, { "turboquant:bits=2,group=32,code=trellis", "turboquant:bits=2,group=32,code=trellis" },
        { "turboquant:bits=1,group=32,code=trellis", "turboquant:bits=3,group=32,code=trellis" },
        { "turboquant:bits=4,mean=32", "turboquant:bits=4,mean=64,meanbits=8" }, { "turboquant:bits=3,mean=128,meanbits=4", "turboquant:bits=2,mean=32,meanbits=4" },
        { "turboquant:bits=4,mean=head", "turboquant:bits=4,mean=head" }, { "turboquant:bits=4,mean=auto,meanbits=8", "turboquant:bits=4,mean=auto" },
        { "turboquant:bits=4,frame=constant", "turboquant:bits=4,frame=constant" }, { "q8:frame=balanced", "q8:frame=balanced" },
        { "turboquant:bits=4,frame=balanced,mean=32", "turboquant:bits=3,frame=balanced" },
        { "turboquant:bits=4", "fp16" }, { "q8", "turboquant:bits=3" }, { "fp16", "turboquant:bits=4" },
    };

    [Theory]
    [MemberData(nameof(Lengths))]
    public void EveryLengthOfAPreset(int tokens)
    {
        CacheGeometry geometry = AttentionCases.Geometry() with { Rotary = new() { Base = 10_000 } };
        (KvCache cache, GpuKvCache copy) = GpuCases.Filled(geometry, "turboquant:bits=4,code=trellis,mean=32,meanbits=8,frame=balanced", "turboquant:bits=3,code=trellis,scale=unbiased,mean=32,meanbits=8", tokens);
        using (cache)
        using (copy)
            GpuCases.AssertDecode(copy, s_plain, $"{tokens} tokens");
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void EveryLengthOfLevels(int tokens)
    {
        (KvCache cache, GpuKvCache copy) = GpuCases.Filled(AttentionCases.Geometry(), "turboquant:bits=4", "turboquant:bits=4", tokens);
        using (cache)
        using (copy)
            GpuCases.AssertDecode(copy, s_plain, $"{tokens} tokens");
    }

    [Theory]
    [MemberData(nameof(Codecs))]
    public void EveryCodecThatHasKernels(string keys, string values)
    {
        (KvCache cache, GpuKvCache copy) = GpuCases.Filled(AttentionCases.Geometry(), keys, values, 410);
        using (cache)
        using (copy)
            GpuCases.AssertDecode(copy, s_plain, $"{keys} and {values}");
    }

    [Theory]
    [MemberData(nameof(Presets))]
    public void EveryPreset(string preset)
    {
        CacheGeometry geometry = AttentionCases.Geometry(kvHeads: 2, group: 4, keys: 128, values: 128) with { Rotary = new() { Base = 1_000_000 } };
        using var cache = new KvCache(KvCacheOptions.Preset(preset, geometry));
        AttentionCases.Append(cache, 600, seed: 3);
        using var copy = new GpuKvCache(cache, GpuCases.Device);
        GpuCases.AssertDecode(copy, s_plain, preset);
    }

    [Theory]
    [InlineData(32)]
    [InlineData(48)]
    [InlineData(64)]
    [InlineData(80)]
    [InlineData(96)]
    [InlineData(112)]
    [InlineData(128)]
    [InlineData(192)]
    [InlineData(256)]
    public void EveryHeadDimension(int dimension)
    {
        (KvCache cache, GpuKvCache copy) = GpuCases.Filled(
            AttentionCases.Geometry(keys: dimension, values: dimension), "turboquant:bits=3,code=trellis,mean=32,meanbits=8,frame=balanced", "turboquant:bits=4", 333);
        using (cache)
        using (copy)
            GpuCases.AssertDecode(copy, s_plain, $"{dimension} numbers");
    }

    [Fact]
    public void KernelOfZerosFails() =>
        Assert.Throws<Xunit.Sdk.TrueException>(() => GpuCases.AssertOutput([0.3, -0.1, 0.2], new float[3], "zeros"));

    [Fact]
    public void KeysAndValuesMayDiffer()
    {
        (KvCache cache, GpuKvCache copy) = GpuCases.Filled(AttentionCases.Geometry(keys: 192, values: 128), "turboquant:bits=2", "turboquant:bits=3", 300);
        using (cache)
        using (copy)
            GpuCases.AssertDecode(copy, s_plain, "192 and 128 numbers");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(9)]
    [InlineData(20)]
    public void EveryGroupOfQueries(int group)
    {
        (KvCache cache, GpuKvCache copy) = GpuCases.Filled(AttentionCases.Geometry(group: group, keys: 128, values: 128), "turboquant:bits=4", "turboquant:bits=3,mean=32", 300);
        using (cache)
        using (copy)
            GpuCases.AssertDecode(copy, s_plain, $"groups of {group}");
    }
}
