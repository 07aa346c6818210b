using Kvant.Codecs;
using Kvant.Tests.Reference;

namespace Kvant.Tests.Codecs;

/// <summary>TurboQuant (MSE) against the optimum of the exact density, the published values, and the double-precision reference.</summary>
public sealed class TurboQuantTests
{
    public static TheoryData<int, string> DimensionsAndRotations
    {
        get
        {
            var data = new TheoryData<int, string>();
            foreach (int dimension in CodecCases.Dimensions)
            {
                foreach (string rotation in (string[])["hadamard", "haar", "block32", "none"])
                {
                    if (rotation != "block32" || dimension % 32 == 0)
                        data.Add(dimension, rotation);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(DimensionsAndRotations))]
    public void ErrorIsTheOptimumOfTheExactDensity(int dimension, string rotation)
    {
        // The dense rotation costs d^2 per row, so it gets fewer rows; 1,024 still estimate the error to 0.5 %.
        float[] rows = TestRows.UnitVectors(4096, dimension)[..(dimension * (rotation == "haar" ? 1024 : 4096))];
        for (int bits = 1; bits <= 5; bits++)
        {
            Codec codec = CodecCases.Create($"turboquant:bits={bits},rotation={rotation},scale=norm,code=lloydmax", dimension);
            double error = Measure.Nmse(rows, CodecCases.RoundTrip(codec, rows));
            Measure.AssertInBand(error, LloydMaxReference.Of(dimension, bits).Nmse, Tolerances.Theory, $"{rotation}, dimension {dimension}, {bits} bits");
        }
    }

    [Theory]
    [InlineData(6, .00062996)]
    [InlineData(8, .00004024)]
    public void ErrorOfManyBitsIsTheOneOfMethods(int bits, double expected)
    {
        float[] rows = TestRows.UnitVectors(4096, 128);
        double error = Measure.Nmse(rows, CodecCases.RoundTrip(CodecCases.Create($"turboquant:bits={bits},scale=norm", 128), rows));
        Measure.AssertInBand(error, expected, Tolerances.Theory, $"{bits} bits");
    }

    [Theory]
    [InlineData("norm", .361, .116)]
    [InlineData("leastsquares", .360, .115)]
    [InlineData("corrected", .401, .1187)]
    [InlineData("unbiased", .567, .130)]
    public void ScaleRulesHaveTheirOwnErrors(string rule, double oneBit, double twoBits)
    {
        float[] rows = TestRows.UnitVectors(4096, 128);
        double[] expected = [oneBit, twoBits];
        for (int bits = 1; bits <= 2; bits++)
        {
            double error = Measure.Nmse(rows, CodecCases.RoundTrip(CodecCases.Create($"turboquant:bits={bits},scale={rule}", 128), rows));
            Measure.AssertInBand(error, expected[bits - 1], Tolerances.ScaleRule, $"{rule}, {bits} bits");
        }
    }

    [Fact]
    public void UnbiasedScaleLeavesTheDotProductWithTheRowItself()
    {
        float[] rows = TestRows.UnitVectors(4096, 128)[..(256 * 128)];
        float[] decoded = CodecCases.RoundTrip(CodecCases.Create("turboquant:bits=2,scale=unbiased", 128), rows);
        for (int r = 0; r < 256; r++)
            Assert.Equal(1, Measure.Dot(rows.AsSpan(r * 128, 128), decoded.AsSpan(r * 128, 128)), 2 * Tolerances.HalfPrecision);
    }

    [Fact]
    public void CorrectedScaleKeepsTheNorm()
    {
        float[] rows = TestRows.UnitVectors(4096, 128)[..(256 * 128)];
        float[] decoded = CodecCases.RoundTrip(CodecCases.Create("turboquant:bits=2,scale=corrected", 128), rows);
        for (int r = 0; r < 256; r++)
            Assert.Equal(1, Measure.Norm(decoded.AsSpan(r * 128, 128)), 2 * Tolerances.HalfPrecision);
    }

    [Theory]
    [InlineData(32)]
    [InlineData(64)]
    public void GroupsUseTheCodebookOfTheirOwnDimension(int group)
    {
        // A part of a random direction, divided by its own norm, is a random direction of the smaller sphere.
        float[] rows = TestRows.UnitVectors(4096, 128);
        for (int bits = 1; bits <= 4; bits++)
        {
            double error = Measure.Nmse(rows, CodecCases.RoundTrip(CodecCases.Create($"turboquant:bits={bits},scale=norm,group={group}", 128), rows));
            Measure.AssertInBand(error, LloydMaxReference.Of(group, bits).Nmse, Tolerances.Theory, $"group {group}, {bits} bits");
        }
    }

    [Theory]
    [InlineData(2, 34)]
    [InlineData(3, 50)]
    [InlineData(4, 66)]
    public void BytesPerRowAreTheCodesAndOneScale(int bits, int bytes)
    {
        foreach (CodecRole role in CodecCases.Roles)
        {
            Codec codec = CodecCases.Create($"turboquant:bits={bits}", 128, role);
            Assert.Equal(bytes, codec.BytesPerBlock / (double)codec.RowsPerBlock);
        }

        foreach (int dimension in CodecCases.Dimensions)
        {
            Codec codec = CodecCases.Create($"turboquant:bits={bits}", dimension);
            Assert.Equal((((dimension * bits) + 7) / 8) + 2, codec.BytesPerBlock);
        }

        Assert.Equal(((128 * bits) / 8) + 8, CodecCases.Create($"turboquant:bits={bits},group=32", 128).BytesPerBlock);
    }

    [Theory]
    [InlineData(64)]
    [InlineData(80)]
    [InlineData(96)]
    [InlineData(112)]
    [InlineData(128)]
    [InlineData(256)]
    public void OneHotRowsAreNearlyAsEasyAsRandomOnes(int dimension)
    {
        float[] rows = TestRows.OneHot(dimension);
        double error = Measure.Nmse(rows, CodecCases.RoundTrip(CodecCases.Create("turboquant:bits=3,scale=norm", dimension), rows));
        Assert.True(error <= Tolerances.OneHotAtThreeBits, $"dimension {dimension}: {error:G4}");
    }

    [Theory]
    [InlineData(128)]
    [InlineData(256)]
    public void NoSeedCodesOneHotRowsBadly(int dimension)
    {
        float[] rows = TestRows.OneHot(dimension);
        for (int seed = 0; seed < 50; seed++)
        {
            double error = Measure.Nmse(rows, CodecCases.RoundTrip(CodecSpec.Parse($"turboquant:bits=3,scale=norm,seed={seed}").CreateCodec(dimension), rows));
            Assert.True(error <= Tolerances.OneHotAtThreeBits, $"dimension {dimension}, seed {seed}: {error:G4}");
        }
    }

    [Fact]
    public void RowsOfAnyLengthLoseTheSame()
    {
        float[] rows = TestRows.UnitVectors(4096, 128)[..(512 * 128)];
        for (int bits = 1; bits <= 8; bits++)
        {
            Codec codec = CodecCases.Create($"turboquant:bits={bits},scale=norm", 128);
            double error = Measure.Nmse(rows, CodecCases.RoundTrip(codec, rows));
            foreach (double factor in (double[])[1e-4, 1e-2, 1e2, 1e4])
            {
                float[] scaled = TestRows.Scaled(rows, factor);
                double expected = error + RoundingOfScale(factor) - RoundingOfScale(1);
                Measure.AssertInBand(Measure.Nmse(scaled, CodecCases.RoundTrip(codec, scaled)), expected, Tolerances.Rescaled, $"{bits} bits, rows times {factor:G1}");
            }
        }
    }

    // A scale that fp16 moves by a share e moves the decoded unit vector by e, which is independent of what the codes lose.
    private static double RoundingOfScale(double norm)
    {
        double scale = norm / Math.Sqrt(128), rounded = (double)(Half)scale;
        return Math.Pow((rounded / scale) - 1, 2);
    }

    [Theory]
    [InlineData("norm", "hadamard", 0, 128)]
    [InlineData("norm", "hadamard", 0, 80)]
    [InlineData("norm", "haar", 0, 96)]
    [InlineData("norm", "block32", 0, 64)]
    [InlineData("norm", "none", 0, 112)]
    [InlineData("corrected", "hadamard", 0, 128)]
    [InlineData("leastsquares", "hadamard", 0, 128)]
    [InlineData("unbiased", "hadamard", 0, 128)]
    [InlineData("norm", "hadamard", 32, 128)]
    [InlineData("corrected", "haar", 64, 128)]
    public void RowsAreThoseOfTheReference(string rule, string rotation, int group, int dimension)
    {
        int width = group == 0 ? dimension : group;
        float[] rows = TestRows.Gaussian(48, dimension, seed: 77, scale: 3);
        for (int bits = 1; bits <= 5; bits++)
        {
            var codec = (RotatedCodec)CodecCases.Create($"turboquant:bits={bits},scale={rule},rotation={rotation},group={group}", dimension);
            double[,] matrix = ReferenceMath.MatrixOf(codec.Rotation);
            var reference = new TurboQuantReference(matrix, LloydMaxReference.Of(width, bits).Levels, rule, width);
            float[] decoded = CodecCases.RoundTrip(codec, rows);
            for (int r = 0; r < 48; r++)
                CheckRow(reference, matrix, rows.AsSpan(r * dimension, dimension), decoded.AsSpan(r * dimension, dimension), bits, width);
        }
    }

    // A number beside a threshold may go either way in float: such groups are compared by what they may cost, all others exactly.
    private static void CheckRow(TurboQuantReference reference, double[,] matrix, ReadOnlySpan<float> row, ReadOnlySpan<float> decoded, int bits, int width)
    {
        double[] levels = LloydMaxReference.Of(width, bits).Levels;
        double[][] inBasis = [.. ReferenceMath.Multiply(matrix, ReferenceMath.ToDouble(decoded)).Chunk(width)];
        TurboQuantReference.Group[] groups = reference.Encode(row);
        for (int g = 0; g < groups.Length; g++)
        {
            TurboQuantReference.Group group = groups[g];
            if (group.Normalized.Any(v => NearThreshold(levels, v)))
                continue;
            double[] candidates = [.. ((double[])[1 - Tolerances.ScaleRounding, 1, 1 + Tolerances.ScaleRounding]).Select(f => ReferenceMath.RoundToHalf(group.Scale * f))];
            double best = candidates.Min(scale => ReferenceMath.Norm([.. group.Codes.Select((code, i) => (scale * levels[code]) - inBasis[g][i])]));
            double norm = ReferenceMath.Norm(inBasis[g]);
            Assert.True(best <= Tolerances.DecodedRow * norm, $"{bits} bits, group {g}: the decoded group is {best / norm:G3} of its norm away from the reference.");
        }
    }

    private static bool NearThreshold(double[] levels, double value)
    {
        for (int i = 1; i < levels.Length; i++)
        {
            if (Math.Abs(((levels[i - 1] + levels[i]) / 2) - value) < Tolerances.NearThreshold)
                return true;
        }

        return false;
    }
}
