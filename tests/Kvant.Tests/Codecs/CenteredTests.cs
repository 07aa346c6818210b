using System.Runtime.InteropServices;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Rotations;
using Kvant.Tests.Attention;
using Kvant.Tests.Reference;

namespace Kvant.Tests.Codecs;

/// <summary>Means of blocks and of heads: what rows share is taken away before they are coded, and softmax never sees it.</summary>
public sealed class CenteredTests
{
    private const int Dimension = 128;

    [Theory]
    [InlineData(32, CodecRole.Keys)]
    [InlineData(64, CodecRole.KeyTiles)]
    [InlineData(128, CodecRole.ValueTiles)]
    public void RowsAreThoseOfTheReference(int block, CodecRole role)
    {
        float[] rows = Shifted(TestRows.Gaussian(block, Dimension, seed: 60), Common(30));
        Codec codec = CodecCases.Create($"turboquant:bits=3,scale=norm,mean={block}", Dimension, role);
        double[,] rotation = ReferenceMath.MatrixOf(Rotation.Create("hadamard", Dimension, 0));
        (double[][] expected, double[] mean) = new CenteredReference(rotation, LloydMaxReference.Of(Dimension, 3).Levels).RoundTrip(rows);
        float[] decoded = CodecCases.RoundTrip(codec, rows);
        int differing = 0;
        for (int r = 0; r < block; r++)
        {
            // A number of the mean that lies between two halves may go to either; the residual takes up the difference.
            double error = Enumerable.Range(0, Dimension).Sum(c => Math.Pow(decoded[(r * Dimension) + c] - expected[r][c], 2));
            differing += Math.Sqrt(error) > (Tolerances.DecodedRow + Tolerances.HalfPrecision) * ReferenceMath.Norm(mean) ? 1 : 0;
        }

        Assert.True(differing <= block / 32, $"{differing} of {block} rows differ; only codes at a threshold may.");
    }

    [Theory]
    [InlineData("32", 16, 0.5)]
    [InlineData("64", 16, 0.25)]
    [InlineData("128", 16, 0.125)]
    [InlineData("128", 8, 0.064453125)]
    [InlineData("32", 4, 0.12890625)]
    [InlineData("head", 16, 0)]
    public void BitsOfTheMeanAreCounted(string mean, int bits, double more)
    {
        foreach (CodecRole role in CodecCases.Roles)
        {
            Codec codec = CodecCases.Create($"turboquant:bits=3,mean={mean},meanbits={bits}", Dimension, role);
            Assert.Equal(3.125 + more, codec.BitsPerValue, 1e-12);
            Assert.Equal(more == 0 ? 256 : 0, codec.StateBytes);
        }
    }

    [Theory]
    [InlineData("turboquant:bits=3,rotation=none,mean=32")]
    [InlineData("turboquant:bits=2,rotation=none,mean=128")]
    [InlineData("turboquant:bits=3,rotation=none,mean=head")]
    [InlineData("q4_0:mean=64")]
    public void VectorAddedToAllKeysChangesAttentionByRoundingAlone(string spec)
    {
        // Every second key is the one before it turned around, so that the mean is exactly the vector and fp16 holds both. No number is 0, of
        // which there would be two.
        float[] keys = TestRows.Gaussian(512, Dimension, seed: 61);
        for (int i = 0; i < keys.Length; i++)
            keys[i] = i / Dimension % 2 == 0 ? (MathF.Round(keys[i] * 16) + 0.5f) / 16 : -keys[i - Dimension];
        float[] common = [.. Enumerable.Range(0, Dimension).Select(c => (float)((c * 7 % 65) - 32))];
        float[] values = TestRows.Gaussian(512, Dimension, seed: 62);
        foreach (Arithmetic arithmetic in Enum.GetValues<Arithmetic>())
        {
            double[] without = ReferenceMath.ToDouble(Attend(spec, keys, values, arithmetic)), with = ReferenceMath.ToDouble(Attend(spec, Shifted(keys, common), values, arithmetic));
            double difference = ReferenceMath.Norm([.. with.Zip(without, (a, b) => a - b)]) / ReferenceMath.Norm(without);
            Assert.True(difference < Tolerances.CommonVector, $"{spec}, {arithmetic}: the outputs differ by {difference:G3}.");
        }
    }

    [Theory]
    [InlineData("mean=32", true)]
    [InlineData("mean=64", true)]
    [InlineData("mean=128", true)]
    [InlineData("mean=128,meanbits=8", true)]
    [InlineData("mean=head", true)]
    [InlineData("mean=auto", true)]
    [InlineData("mean=0", false)]
    public void StrongCommonVectorCostsNothing(string mean, bool centered)
    {
        float[] keys = TestRows.Gaussian(1024, Dimension, seed: 63), strong = Shifted(keys, Common(30));
        double error = SquaredError(mean, strong) / SquaredError("mean=0", keys);
        Assert.Equal(centered, error < 1 + Tolerances.StoredMean);
        if (!centered)
            Assert.True(error > 500, $"Without a mean the error is that of a vector of 30 times the size, not {error:G3}.");
    }

    [Fact]
    public void AutoTakesAMeanThatHasAQuarterOfTheEnergy()
    {
        float[] keys = TestRows.Gaussian(128, Dimension, seed: 64);
        Codec auto = CodecSpec.Parse("turboquant:mean=auto").CreateCodec(Dimension, CodecRole.Keys), head = CodecSpec.Parse("turboquant:mean=head").CreateCodec(Dimension, CodecRole.Keys);

        // A vector of .5 times a key's norm has a fifth of the sum's energy, one of .7 a third.
        float[] weak = Shifted(keys, Common(0.5)), strong = Shifted(keys, Common(0.7));
        Assert.Equal(new byte[256], auto.Calibrate(weak).State.ToArray());
        Assert.NotEqual(new byte[256], head.Calibrate(weak).State.ToArray());
        Assert.Equal(head.Calibrate(strong).State.ToArray(), auto.Calibrate(strong).State.ToArray());
        Assert.Equal(auto.Calibrate(strong).State.ToArray(), auto.Calibrate((float[])[.. strong, .. keys]).State.ToArray());
    }

    [Fact]
    public void StateThatIsNoMeanIsRefused()
    {
        Codec codec = CodecSpec.Parse("turboquant:mean=head").CreateCodec(Dimension, CodecRole.Keys);
        foreach (Half number in (Half[])[Half.NaN, Half.PositiveInfinity, (Half)30000])
        {
            var state = new Half[Dimension];
            state[5] = number;
            Assert.ThrowsAny<ArgumentException>(() => codec.WithState(MemoryMarshal.AsBytes<Half>(state)));
        }

        // A mean that would leave residuals too large to be stored is not taken.
        float[] huge = Shifted(TestRows.Gaussian(128, Dimension, seed: 65), Common(1000));
        Assert.Equal(new byte[256], codec.Calibrate(huge).State.ToArray());
    }

    [Fact]
    public void BlockWhoseResidualsDoNotFitIsCodedWithoutAMean()
    {
        // Norms of 740,000 fit fp16 as a scale; a row against the mean of 31 that point the other way has twice that.
        float[] row = TestRows.UnitVectors(64, Dimension)[..Dimension], rows = new float[32 * Dimension];
        for (int i = 0; i < rows.Length; i++)
            rows[i] = row[i % Dimension] * (i < Dimension ? -740_000 : 740_000);
        Codec codec = CodecCases.Create("turboquant:bits=4,scale=norm,mean=32", Dimension), plain = CodecCases.Create("turboquant:bits=4,scale=norm", Dimension);
        Assert.Equal(CodecCases.RoundTrip(plain, rows), CodecCases.RoundTrip(codec, rows));
        Assert.ThrowsAny<ArgumentException>(() => codec.Encode(TestRows.Scaled(rows, 1.01)));
    }

    // What all keys share turns slowly with the position, 30 times as long as what tells them apart: it needs a mean of its own time.
    [Theory]
    [InlineData("turboquant:bits=3", 30, 14.83)]
    [InlineData("turboquant:bits=3,mean=32", 30, 0.0639)]
    [InlineData("turboquant:bits=3,mean=64", 30, 0.067)]
    [InlineData("turboquant:bits=3,mean=128", 30, 0.084)]
    [InlineData("turboquant:bits=3,mean=32,meanbits=8", 30, 0.0666)]
    [InlineData("turboquant:bits=3,mean=32,meanbits=4", 30, 0.577)]
    [InlineData("turboquant:bits=3,mean=64,meanbits=8", 30, 0.0692)]
    [InlineData("turboquant:bits=3,mean=128,meanbits=8", 30, 0.0845)]
    [InlineData("turboquant:bits=3,mean=head", 30, 11.44)]
    [InlineData("turboquant:bits=3,mean=auto", 30, 11.44)]
    [InlineData("turboquant:bits=4", 30, 7.492)]
    [InlineData("turboquant:bits=4,mean=32,meanbits=8", 30, 0.0184)]
    [InlineData("turboquant:bits=2,mean=32", 30, 0.2262)]
    [InlineData("turboquant:bits=2,mean=32,meanbits=8", 30, 0.2259)]
    [InlineData("outlier:bits=2", 30, 10.99)]
    [InlineData("outlier:bits=3", 30, 5.401)]
    [InlineData("kivi:bits=2", 30, 0.2913)]
    [InlineData("kivi:bits=4", 30, 0.0117)]
    [InlineData("kivi:bits=2,group=128", 30, 0.5368)]
    [InlineData("q4_0", 30, 5.318)]
    [InlineData("q4_0:rotation=hadamard", 30, 7.582)]
    [InlineData("q4_0:mean=32,meanbits=8", 30, 0.0152)]
    [InlineData("q8", 30, 0.196)]
    [InlineData("q8_0", 30, 0.0801)]
    [InlineData("turboquant:bits=3", 0, 0.0709)]
    [InlineData("turboquant:bits=3,mean=32", 0, 0.0684)]
    [InlineData("turboquant:bits=3,mean=128", 0, 0.0707)]
    [InlineData("turboquant:bits=3", 1, 0.1343)]
    [InlineData("turboquant:bits=3,mean=32", 1, 0.0672)]
    [InlineData("turboquant:bits=3,mean=128,meanbits=8", 1, 0.0697)]
    [InlineData("turboquant:bits=3,mean=32,meanbits=8", 1, 0.0680)]
    [InlineData("turboquant:bits=3,mean=32,meanbits=4", 1, 0.0703)]
    [InlineData("turboquant:bits=3,mean=head", 1, 0.1218)]
    [InlineData("turboquant:bits=3,mean=auto", 1, 0.1218)]
    public void DivergenceIsAsThePageSays(string spec, double factor, double expected) =>
        Measure.AssertInBand(RopeKeys.Divergence(spec, factor), expected, Tolerances.PageNumber, $"{spec}, {factor}");

    private static float[] Common(double norms)
    {
        // Norms of the rows are about the square root of their dimension.
        float[] vector = TestRows.UnitVectors(64, Dimension)[(7 * Dimension)..(8 * Dimension)];
        return TestRows.Scaled(vector, norms * Math.Sqrt(Dimension));
    }

    private static float[] Shifted(float[] rows, float[] vector) => [.. rows.Select((x, i) => x + vector[i % vector.Length])];

    private static double SquaredError(string mean, float[] rows)
    {
        Codec codec = CodecSpec.Parse($"turboquant:bits=3,{mean}").CreateCodec(Dimension, CodecRole.KeyTiles).Calibrate(rows);
        return Measure.Nmse(rows, CodecCases.RoundTrip(codec, rows)) * Measure.SquaredNorm(rows);
    }

    private static float[] Attend(string keySpec, float[] keys, float[] values, Arithmetic arithmetic)
    {
        CacheGeometry geometry = AttentionCases.Geometry(kvHeads: 1, group: 4, keys: Dimension, values: Dimension);
        using var cache = new KvCache(AttentionCases.Options(geometry, keySpec, "q8", sinks: 0, window: 0));
        cache.Append(0, keys, values);
        Assert.Equal(0, cache.Statistics.WindowRows);
        using var attention = new CacheAttention(geometry, new() { Arithmetic = arithmetic });
        float[] outputs = new float[geometry.QueryHeads * Dimension];
        attention.Decode(cache, 0, AttentionCases.Queries(geometry, seed: 66), outputs);
        return outputs;
    }
}
