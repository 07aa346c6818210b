using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Gpu.Blocks;
using Kvant.Tests;

namespace Kvant.Gpu.Tests;

/// <summary>A device writes the bytes that the codec writes.</summary>
public sealed class EncodingTests
{
    public static TheoryData<string> Specs =>
    [
        "bits=2", "bits=3", "bits=4", "bits=2,scale=norm", "bits=3,scale=leastsquares", "bits=4,scale=unbiased,seed=7",
        "bits=4,rotation=none", "bits=3,rotation=haar", "bits=2,rotation=block32", "bits=4,code=uniform",
        "bits=4,group=32", "bits=2,group=32,scale=unbiased", "bits=4,search=1", "bits=3,search=5", "bits=2,search=16,group=32,scale=leastsquares", "bits=4,search=64,scale=norm",
        "bits=4,mean=32", "bits=3,mean=64,meanbits=8", "bits=2,mean=128,meanbits=4", "bits=4,mean=32,meanbits=4,rotation=none", "bits=4,mean=32,meanbits=8,rotation=haar",
        "bits=3,mean=64,rotation=block32", "bits=4,mean=head", "bits=3,mean=auto,meanbits=8",
        "bits=1,code=trellis", "bits=2,code=trellis", "bits=3,code=trellis", "bits=4,code=trellis", "bits=1,code=trellis,group=32,scale=norm", "bits=2,code=trellis,group=32,scale=leastsquares",
        "bits=3,code=trellis,group=64,scale=unbiased", "bits=4,code=trellis,rotation=haar", "bits=4,code=trellis,mean=head,meanbits=4", "bits=3,code=trellis,mean=32,meanbits=4,scale=unbiased",
        "bits=4,frame=constant", "bits=3,frame=balanced", "bits=4,frame=balanced,mean=32,meanbits=4",
    ];

    public static TheoryData<string> Contents => [.. TestRows.Contents, "large", "too large for an easy mean", "tiny", "subnormal", "negative zero"];

    [Theory]
    [MemberData(nameof(Specs))]
    public void EverySpec(string settings)
    {
        AssertAllOnDevice(settings, 64, keys: true, singles: false);
        AssertAllOnDevice(settings, 64, keys: false, singles: true);
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
    public void EveryDimension(int dimension)
    {
        AssertAllOnDevice("bits=3,mean=32,meanbits=4,frame=balanced", dimension, keys: true, singles: false);
        AssertAllOnDevice("bits=2,code=trellis", dimension, keys: false, singles: false);
    }

    [Theory]
    [MemberData(nameof(Contents))]
    public void EveryContent(string content)
    {
        float[] rows = content switch
        {
            "large" => TestRows.Gaussian(128, 64, 9, scale: 400),
            "too large for an easy mean" => TestRows.Gaussian(128, 64, 9, scale: 4000),
            "tiny" => TestRows.Gaussian(128, 64, 9, scale: 1e-6),
            "subnormal" => TestRows.Gaussian(128, 64, 9, scale: 1e-39),
            "negative zero" => [.. TestRows.Gaussian(128, 64, 9).Select((x, i) => i % 3 > 0 ? -0f : x)],
            _ => TestRows.OfContent(content, 128, 64, 9),
        };
        bool singles = content == "subnormal";
        if (!singles)
            rows = [.. rows.Select(x => (float)(Half)x)];
        foreach (string settings in (string[])["bits=4", "bits=3,search=5,scale=unbiased", "bits=4,rotation=none", "bits=3,mean=32,meanbits=8", "bits=2,mean=32,meanbits=4", "bits=2,code=trellis", "bits=3,code=trellis,rotation=none"])
        {
            bool left = content.StartsWith("too large", StringComparison.Ordinal) && settings.Contains("mean", StringComparison.Ordinal);
            (int alone, int all) = EncodingCases.AssertSameBytes(GpuCases.Device, settings, 64, keys: true, rows, singles: singles);
            Assert.InRange(alone, left ? 1 : 0, left ? all : 0);
        }
    }

    // The last bit of a sum shows in one scale of some thousands.
    [Theory]
    [InlineData("bits=4,group=32,scale=unbiased")]
    [InlineData("bits=2,group=32,scale=leastsquares,rotation=haar")]
    public void LastBitsAreThoseOfTheProcessor(string settings) =>
        Assert.Equal(0, EncodingCases.AssertSameBytes(GpuCases.Device, settings, 128, keys: true, TestRows.Gaussian(2 * 8192, 128, seed: 8), singles: true).Left);

    [Theory]
    [InlineData(0)]
    [InlineData(32)]
    [InlineData(64)]
    [InlineData(96)]
    [InlineData(512)]
    public void EveryNumberOfBlocks(int rows) => _ = EncodingCases.AssertSameBytes(GpuCases.Device, "bits=4", 64, keys: true, EncodingCases.Rows(2 * rows, 64, seed: 5));

    [Theory]
    [InlineData(0, RotaryPairs.Halves, 0)]
    [InlineData(96, RotaryPairs.Neighbors, 0)]
    [InlineData(128 * 1001, RotaryPairs.Halves, 32)]
    [InlineData(128 * 1001, RotaryPairs.Neighbors, 32)]
    public void FramesTurnWithPositions(int firstRow, RotaryPairs pairs, int turned)
    {
        var rotary = new RotaryEmbedding { Base = 1_000_000, Pairs = pairs, Dimension = turned };
        Assert.Equal(0, EncodingCases.AssertSameBytes(GpuCases.Device, "bits=4,frame=balanced", 64, keys: true, EncodingCases.Rows(2 * 96, 64, seed: 6), firstRow, rotary: rotary).Left);
    }

    [Fact]
    public void BlocksThatAreLeftToTheProcessorAreTurnedToo()
    {
        float[] rows = EncodingCases.Rows(2 * 128, 64, seed: 6);
        for (int i = 70 * 64; i < 71 * 64; i++)
            rows[i] = 3000;
        Assert.Equal((1, 8), EncodingCases.AssertSameBytes(GpuCases.Device, "bits=4,mean=32,frame=constant", 64, keys: true, rows, firstRow: 128 * 9));
    }

    [Fact]
    public void CodecThatRefusesABlockSaysSo()
    {
        Codec codec = EncodingCases.Codecs("bits=4", 64, keys: true)[0];
        float[] rows = EncodingCases.Rows(64, 64, seed: 7);
        rows.AsSpan(40 * 64, 64).Fill(1e30f);
        byte[] stored = new byte[rows.Length * sizeof(float)], blocks = new byte[2 * codec.BytesPerBlock];
        WindowRows.Store(rows, half: false, stored);
        using var coder = new BlockCoder(GpuCases.Device);
        var refused = Assert.Throws<ArgumentException>(() => coder.Encode(EncodingCases.ShapeOf(GpuCases.Device, codec, true), [codec], stored, 0, blocks));
        Assert.Contains("65504", refused.Message, StringComparison.Ordinal);
    }

    private static void AssertAllOnDevice(string settings, int dimension, bool keys, bool singles) =>
        Assert.Equal(0, EncodingCases.AssertSameBytes(GpuCases.Device, settings, dimension, keys, EncodingCases.Rows(2 * 128, dimension, seed: 3), singles: singles).Left);
}
