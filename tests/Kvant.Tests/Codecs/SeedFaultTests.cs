using Kvant.Codebooks;
using Kvant.Codecs;
using Kvant.Tests.Reference;

namespace Kvant.Tests.Codecs;

/// <summary>Each fault of the seed systems that concerns codecs, as a test that would have found it.</summary>
public sealed class SeedFaultTests
{
    [Fact]
    public void Seed000DecoderThatReturnsHalfOfEveryNumberPassesTheSeedsTestAndFailsOurs()
    {
        float[] rows = TestRows.UnitVectors(4096, 128), poor = TestRows.Scaled(rows, 0.5);
        double error = Measure.Nmse(rows, poor);
        Assert.True(error < 1.0); // The seed's whole assertion.
        for (int bits = 1; bits <= 4; bits++)
            Assert.False(Measure.InBand(error, LloydMaxReference.Of(128, bits).Nmse, Tolerances.Theory));
    }

    [Theory]
    [InlineData("polar32:bits=3,norm=l2", 32)]
    [InlineData("turboquant:bits=3,rotation=block32,scale=norm", 64)]
    [InlineData("turboquant:bits=3,rotation=hadamard,scale=norm", 128)]
    [InlineData("turboquant:bits=3,rotation=haar,scale=norm", 64)]
    public void Seed001AlternatingSignsWouldTurnTheseRowsIntoSpikes(string spec, int dimension)
    {
        // Alternating signs times any Walsh function: signs +-+- before a Hadamard transform give one number and zeros.
        var rows = new float[dimension * dimension];
        for (int r = 0; r < dimension; r++)
        {
            for (int c = 0; c < dimension; c++)
                rows[(r * dimension) + c] = ((System.Numerics.BitOperations.PopCount((uint)(r & c)) + c) & 1) == 0 ? 1 : -1;
        }

        float[] decoded = CodecCases.RoundTrip(CodecCases.Create(spec, dimension), rows);
        for (int r = 0; r < dimension; r++)
        {
            // A spike of sqrt(32) on a codebook that ends at 2.07 loses .40; random signs leave about .03.
            double error = Measure.Nmse(rows.AsSpan(r * dimension, dimension), decoded.AsSpan(r * dimension, dimension));
            Assert.True(error < 0.15, $"{spec}: row {r} loses {error:G3}; its signs met the rotation's.");
        }
    }

    [Theory]
    [InlineData("turboquant:bits=4")]
    [InlineData("turboquant-ip:bits=4")]
    [InlineData("polar32:bits=4")]
    [InlineData("kivi:bits=4")]
    [InlineData("q8")]
    [InlineData("q8_0")]
    [InlineData("q4_0")]
    public void Seed002NormsOfRealKeysSurvive(string spec)
    {
        // Qwen2.5: key biases of norm 605 and 921 in the first and last layer, 22 in the median.
        Codec codec = CodecCases.Create(spec, 128, CodecRole.Keys);
        float[] units = TestRows.UnitVectors(4096, 128)[..(64 * 128)];
        double error = Measure.Nmse(units, CodecCases.RoundTrip(codec, units));
        foreach (double norm in (double[])[0.1, 22, 605, 921])
        {
            float[] rows = TestRows.Scaled(units, norm);
            float[] decoded = CodecCases.RoundTrip(codec, rows);
            Assert.True(Measure.Nmse(rows, decoded) < (error * 1.05) + 1e-5, $"{spec}: rows of norm {norm}");
            Assert.Equal(norm * 8, Measure.Norm(decoded), norm * 8 * 0.12);
        }
    }

    [Theory]
    [InlineData(32)]
    [InlineData(64)]
    [InlineData(128)]
    public void Seed003BetaOfHalfTheDimensionIsAnotherCodebook(int dimension)
    {
        // Beta(d/2, d/2) is the density of a coordinate in d + 1 dimensions.
        double[] right = LloydMaxReference.Of(dimension, 3).Levels;
        double[] wrong = [.. LloydMaxReference.Of(dimension + 1, 3).Levels.Select(l => l * Math.Sqrt(dimension / (dimension + 1.0)))];
        float largest = Codebook.LloydMax(dimension, 3).Centroids[^1];
        Assert.Equal(right[^1], largest, Tolerances.Codebook);
        Assert.True(Math.Abs(wrong[^1] - largest) > 1000 * Tolerances.Codebook);
    }

    [Fact]
    public void Seed003SketchWithoutResidualNormOrWithAbsoluteValuesIsFarWorseThanOurs()
    {
        const int Dimension = 128, Rows = 64;
        float[] units = TestRows.UnitVectors(4096, Dimension);
        Codec codec = CodecCases.Create("turboquant-ip:bits=3,sketch=gaussian", Dimension, CodecRole.Keys);
        PreparedQueries prepared = codec.CreatePreparedQueries(Rows);

        // Queries that resemble their rows, as those that matter in attention do: there the missing sign shows as bias.
        float[] queries = [.. units.Take(Rows * Dimension).Zip(units.Skip(Rows * Dimension), (x, n) => x + n)];
        codec.Prepare(queries, prepared);
        var scores = new float[Rows * Rows];
        codec.Score(prepared, CodecCases.Encode(codec, units.AsSpan(0, Rows * Dimension)), scores);

        var reference = new TurboQuantIpReference(LloydMaxReference.Of(Dimension, 2).Levels, TurboQuantIpReference.GaussianSketch(Dimension, Dimension, seed: 1));
        double ours = 0, noNorm = 0, absolute = 0;
        for (int r = 0; r < Rows; r++)
        {
            double[] x = ReferenceMath.ToDouble(units.AsSpan(r * Dimension, Dimension)), q = ReferenceMath.ToDouble(queries.AsSpan(r * Dimension, Dimension));
            double exact = ReferenceMath.Dot(x, q);
            ours += Math.Pow(scores[(r * Rows) + r] - exact, 2);
            noNorm += Math.Pow(reference.Estimate(q, x, TurboQuantIpReference.Fault.WithoutResidualNorm) - exact, 2);
            absolute += Math.Pow(reference.Estimate(q, x, TurboQuantIpReference.Fault.AbsoluteQuerySketch) - exact, 2);
        }

        Assert.True(noNorm > 2 * ours, $"without ||r||: {noNorm:G3}, ours {ours:G3}");
        Assert.True(absolute > 3 * ours, $"with |S q|: {absolute:G3}, ours {ours:G3}");
    }

    [Fact]
    public void Seed004KiviGroupsKeepTheirOwnScale()
    {
        // Groups of very different size: the mean of their scales suits none of them.
        const int Dimension = 64, Groups = 4;
        float[] rows = TestRows.Gaussian(32 * Groups, Dimension, seed: 110);
        for (int i = 0; i < rows.Length; i++)
            rows[i] *= (float)Math.Pow(10, (i / (32 * Dimension)) - 2);
        Codec codec = CodecCases.Create("kivi:bits=4", Dimension, CodecRole.Keys);
        byte[] atOnce = CodecCases.Encode(codec, rows);
        byte[] byGroup = [.. Enumerable.Range(0, Groups).SelectMany(g => CodecCases.Encode(codec, rows.AsSpan(g * 32 * Dimension, 32 * Dimension)))];
        Assert.Equal(atOnce, byGroup);

        float[] decoded = CodecCases.Decode(codec, atOnce), shared = WithMeanScale(rows, Dimension);
        for (int g = 0; g < Groups; g++)
        {
            Range part = (g * 32 * Dimension)..((g + 1) * 32 * Dimension);
            double error = Measure.Nmse(rows.AsSpan(part), decoded.AsSpan(part));
            Assert.True(error < 0.01, $"group {g} loses {error:G3}"); // A range of 4 sigma in 15 steps: .27^2 / 12 = .006.
        }

        Assert.True(Measure.Nmse(rows.AsSpan(0, 32 * Dimension), shared.AsSpan(0, 32 * Dimension)) > 0.5, "the mean of the scales went unnoticed.");
    }

    [Theory]
    [InlineData("q8")]
    [InlineData("q8_0")]
    [InlineData("q4_0")]
    public void Seed004ZeroRowBesideOthersIsNoDivisionByZero(string spec)
    {
        float[] rows = TestRows.Gaussian(3, 128, seed: 111);
        rows.AsSpan(128, 128).Clear();
        float[] decoded = CodecCases.RoundTrip(CodecCases.Create(spec, 128), rows);
        Assert.All(decoded.AsSpan(128, 128).ToArray(), x => Assert.Equal(0, x));
        Assert.True(Measure.Nmse(rows, decoded) < 0.01);
    }

    [Theory]
    [InlineData("fp32")]
    [InlineData("fp16")]
    [InlineData("bf16")]
    [InlineData("q8")]
    [InlineData("turboquant")]
    [InlineData("turboquant-ip")]
    [InlineData("outlier")]
    public void HeadDimension80Works(string spec)
    {
        foreach (CodecRole role in CodecCases.Roles)
        {
            Codec codec = CodecCases.Create(spec, 80, role);
            float[] rows = TestRows.Gaussian(2 * codec.RowsPerBlock, 80, seed: 112);
            Assert.True(Measure.Nmse(rows, CodecCases.RoundTrip(codec, rows)) < 0.15, $"{spec}, {role}");
        }
    }

    [Fact]
    public void OneRoundOfHadamardWouldFailTheOneHotBand()
    {
        // One round turns a one-hot row into +-1 everywhere, and 1 lies badly between the levels .753 and 1.337.
        double[] levels = LloydMaxReference.Of(128, 3).Levels;
        double error = Math.Pow(1 - levels[ReferenceMath.Nearest(levels, 1)], 2);
        Assert.Equal(0.061, error, 0.001);
        Assert.True(error > Tolerances.OneHotAtThreeBits);
    }

    [Theory]
    [MemberData(nameof(CodecCases.Methods), MemberType = typeof(CodecCases))]
    public void SingleTokensAndPrefillShareTheBasis(string method)
    {
        Codec codec = CodecCases.Create(method, 128, CodecRole.Keys);
        float[] rows = TestRows.Gaussian(3 * codec.RowsPerBlock, 128, seed: 113), query = TestRows.Gaussian(1, 128, seed: 114);
        PreparedQueries prepared = codec.CreatePreparedQueries(1);
        codec.Prepare(query, prepared);
        float[] together = new float[3 * codec.RowsPerBlock], alone = new float[3 * codec.RowsPerBlock];
        codec.Score(prepared, CodecCases.Encode(codec, rows), together);
        for (int b = 0; b < 3; b++)
        {
            byte[] block = CodecCases.Encode(codec, rows.AsSpan(b * codec.RowsPerBlock * 128, codec.RowsPerBlock * 128));
            codec.Score(prepared, block, alone.AsSpan(b * codec.RowsPerBlock, codec.RowsPerBlock));
        }

        for (int i = 0; i < together.Length; i++)
            Assert.Equal(together[i], alone[i], Tolerances.Attention * Measure.Norm(query) * Measure.Norm(rows.AsSpan(i * 128, 128)));
    }

    // What the seed does: every group's own zero and codes, but one scale for all, the mean.
    private static float[] WithMeanScale(float[] rows, int dimension)
    {
        const int Steps = 15;
        int groups = rows.Length / dimension / 32;
        var decoded = new float[rows.Length];
        for (int c = 0; c < dimension; c++)
        {
            double[][] numbers = [.. Enumerable.Range(0, groups).Select(g => Enumerable.Range(0, 32).Select(t => (double)rows[(((g * 32) + t) * dimension) + c]).ToArray())];
            double[] scales = [.. numbers.Select(n => (n.Max() - n.Min()) / Steps)];
            for (int g = 0; g < groups; g++)
            {
                for (int t = 0; t < 32; t++)
                    decoded[(((g * 32) + t) * dimension) + c] = (float)(numbers[g].Min() + (scales.Average() * Math.Round((numbers[g][t] - numbers[g].Min()) / scales[g])));
            }
        }

        return decoded;
    }
}
