using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Sources;
using Kvant.Evaluation.Tests.Support;

namespace Kvant.Evaluation.Tests.Experiments;

public sealed class VectorMeasurementTests
{
    private static readonly VectorMeasurement s_quick = new() { Repetitions = 1, RepetitionTime = TimeSpan.Zero };
    private static readonly float[] s_rows = RandomVectors.Normal(300, 32, 9);

    [Fact]
    public void Fp32LosesNothing()
    {
        float[] decoded = new float[s_rows.Length];
        VectorResult result = s_quick.Run(s_rows, 32, CodecSpec.Parse("fp32"), decoded);
        Assert.Equal(s_rows, decoded);
        Assert.Equal(("fp32", 300, 32), (result.Codec, result.Rows, result.Dimension));
        Assert.Equal((128, 32, 0), (result.BytesPerRow, result.BitsPerValue, result.Nmse));
        Assert.Equal(1, result.Cosine, 12);
        // Dot products are taken in 32-bit floats: their rounding, and nothing else.
        Assert.InRange(result.InnerProductRmse, 0, 1e-6);
        Assert.InRange(result.InnerProductBias, -1e-6, 1e-6);
        Assert.True(result.EncodeRowsPerSecond > 0);
    }

    [Fact]
    public void ZeroDecoderIsExposedByEveryNumber()
    {
        VectorResult result = s_quick.Run(s_rows, new ZeroCodec(32), "zero");
        Assert.Equal(1, result.Nmse);
        Assert.Equal(0, result.Cosine);
        Assert.Equal(-1, result.InnerProductBias);
        // The product of a unit vector with a random direction has variance 1 / d.
        Assert.InRange(result.InnerProductRmse * Math.Sqrt(32), 0.95, 1.05);
    }

    [Fact]
    public void ShrinkingDecoderHasItsFactorAsBias()
    {
        VectorResult result = s_quick.Run(s_rows, new ScalingCodec(32, 0.75f), "shrink");
        Assert.Equal(0.0625, result.Nmse, 6);
        Assert.Equal(1, result.Cosine, 9);
        Assert.Equal(-0.25, result.InnerProductBias, 5);
        Assert.InRange(result.InnerProductRmse * Math.Sqrt(32), 0.25 * 0.95, 0.25 * 1.05);
    }

    [Fact]
    public void BlocksStateAndTailAreCounted()
    {
        VectorResult result = s_quick.Run(s_rows.AsSpan(0, 11 * 32), new GroupCodec(32), "group");
        Assert.Equal(((8 * 128) + 3 + (3 * 64)) / 11.0, result.BytesPerRow, 12);
        Assert.Equal(result.BytesPerRow * 8 / 32, result.BitsPerValue, 12);
        Assert.InRange(result.Nmse, 1e-9, 1e-6);
        Assert.InRange(result.InnerProductRmse, 1e-6, 1e-3);
    }

    [Fact]
    public void TooFewRowsForABlockAreRefused()
    {
        ArgumentException error = Assert.Throws<ArgumentException>(() => s_quick.Run(s_rows.AsSpan(0, 3 * 32), new GroupCodec(32), "group"));
        Assert.Contains("at least 6 rows; there are 3", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void SameSeedGivesSameNumbers()
    {
        VectorMeasurement still = s_quick with { Repetitions = 0 };
        CodecSpec spec = CodecSpec.Parse("fp16");
        Assert.Equal(still.Run(s_rows, 32, spec), still.Run(s_rows, 32, spec));
        Assert.NotEqual(still.Run(s_rows, 32, spec), (still with { Seed = 2 }).Run(s_rows, 32, spec));
    }

    [Fact]
    public void QueriesAreNotTheRowsOfTheSameSeed()
    {
        // A row times itself is 1; times an independent direction it is about 1 / sqrt(d), and never half of it in 512 dimensions.
        const ulong seed = 7;
        float[] rows = RandomVectors.Unit(16, 512, seed);
        double largest = (s_quick with { Seed = seed, Queries = 16 }).Run(rows, new ZeroCodec(512), "zero").InnerProductRmse;
        Assert.InRange(largest, 0.03, 0.06);
    }

    [Fact]
    public void WrongLengthsAreRefused()
    {
        CodecSpec spec = CodecSpec.Parse("fp16");
        Assert.Throws<ArgumentException>(() => s_quick.Run([], 32, spec));
        Assert.Throws<ArgumentException>(() => s_quick.Run(s_rows, 31, spec));
        Assert.Throws<ArgumentException>(() => s_quick.Run(s_rows, 32, spec, new float[32]));
        Assert.Throws<ArgumentException>(() => s_quick.Run([float.NaN], 1, spec));
    }
}
