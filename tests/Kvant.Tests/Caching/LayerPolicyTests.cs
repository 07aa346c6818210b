using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Tests.Reference;

namespace Kvant.Tests.Caching;

public sealed class LayerPolicyTests
{
    private static readonly CodecSpec s_three = CodecSpec.Parse("turboquant:bits=3");
    private static readonly CodecSpec s_four = CodecSpec.Parse("turboquant:bits=4");

    [Theory]
    [InlineData(4, 1, "4 3 3 4")] // seed 000's own case
    [InlineData(5, 2, "4 4 3 4 4")]
    [InlineData(3, 9, "4 3 4")] // never more than half on each side
    [InlineData(1, 1, "3")]
    [InlineData(4, 0, "3 3 3 3")]
    public void BoundaryLayersTakeTheirOwnKeyCodec(int layers, int boundary, string bits)
    {
        LayerPolicy policy = LayerPolicy.Uniform(layers, s_three, s_three).WithBoundary(boundary, s_four);
        Assert.Equal(bits, string.Join(' ', policy.Select(l => l.Keys["bits"])));
        Assert.All(policy, l => Assert.Equal(s_three, l.Values));
    }

    [Fact]
    public void MemoryCountsCodesScalesStateAndTails()
    {
        var geometry = new CacheGeometry { Layers = 2, KvHeads = 3, KeyDimension = 128, ValueDimension = 64 };
        LayerPolicy policy = LayerPolicy.Uniform(2, CodecSpec.Parse("kivi:bits=2"), CodecSpec.Parse("outlier"));
        MemoryEstimate bytes = MemoryEstimate.For(geometry, policy, tokens: 133);

        // Keys: 4 groups of 32 tokens of 128 channels, each channel 4 bytes and 32 codes of 2 bits; 5 tokens wait.
        Assert.Equal(2 * 3 * 4 * 128 * (4 + 8), bytes.KeyBytes);
        // Values: 32 channels of 3 bits, 32 of 2 bits, two scales.
        Assert.Equal(2 * 3 * 133 * (12 + 8 + 4), bytes.ValueBytes);
        Assert.Equal(2 * 3 * 5 * 128 * 2, bytes.TailBytes);
        Assert.Equal(2 * 3 * 8, bytes.StateBytes);
        Assert.Equal(2 * 3 * 133 * (128 + 64) * 2, bytes.Fp16Bytes);
        Assert.Equal((double)bytes.Fp16Bytes / bytes.TotalBytes, bytes.CompressionRatio);
        Assert.Equal(8.0 * bytes.TotalBytes / (2 * 3 * 133 * (128 + 64)), bytes.BitsPerValue, 1e-12);
    }

    [Fact]
    public void TooFewRowsToCalibrateFromStayInHalfPrecision()
    {
        var geometry = new CacheGeometry { Layers = 1, KvHeads = 1, KeyDimension = 128, ValueDimension = 128 };
        LayerPolicy policy = LayerPolicy.Uniform(1, CodecSpec.Parse("outlier"), CodecSpec.Parse("outlier"));
        MemoryEstimate bytes = MemoryEstimate.For(geometry, policy, tokens: 127);
        Assert.Equal(bytes.Fp16Bytes, bytes.TotalBytes);
    }

    [Fact]
    public void PolicyOfAnotherDepthIsRefused()
    {
        var geometry = new CacheGeometry { Layers = 2, KvHeads = 1, KeyDimension = 64, ValueDimension = 64 };
        ArgumentException e = Assert.Throws<ArgumentException>(() => MemoryEstimate.For(geometry, LayerPolicy.Uniform(3, s_three, s_three), 1));
        Assert.Contains("3 layers; the geometry has 2", e.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new LayerPolicy([]));
    }

    [Fact]
    public void GeometryOfNothingIsRefused()
    {
        var good = new CacheGeometry { Layers = 2, KvHeads = 1, KeyDimension = 64, ValueDimension = 64 };
        Assert.Equal("Layers", Assert.Throws<ArgumentOutOfRangeException>(() => good with { Layers = 0 }).ParamName);
        Assert.Equal("KvHeads", Assert.Throws<ArgumentOutOfRangeException>(() => good with { KvHeads = -8 }).ParamName);
        Assert.Equal("KeyDimension", Assert.Throws<ArgumentOutOfRangeException>(() => good with { KeyDimension = 0 }).ParamName);
        Assert.Equal("ValueDimension", Assert.Throws<ArgumentOutOfRangeException>(() => good with { ValueDimension = 0 }).ParamName);
    }
}
