using Fault = Kvant.Tests.Reference.TurboQuantIpReference.Fault;

namespace Kvant.Tests.Reference;

/// <summary>The references themselves meet the theory, and the band tells right from wrong.</summary>
public sealed class TurboQuantReferenceTests
{
    private const int Dimension = 128;

    [Theory]
    [InlineData("norm", 1, 0.361)]
    [InlineData("norm", 2, 0.116)]
    [InlineData("leastsquares", 1, 0.360)]
    [InlineData("leastsquares", 2, 0.115)]
    [InlineData("corrected", 1, 0.401)]
    [InlineData("corrected", 2, 0.1187)]
    [InlineData("unbiased", 1, 0.567)]
    [InlineData("unbiased", 2, 0.130)]
    public void ErrorIsThePublishedOne(string rule, int bits, double expected)
    {
        var reference = new TurboQuantReference(Identity(Dimension), LloydMaxReference.Of(Dimension, bits).Levels, rule, Dimension);
        float[] rows = TestRows.UnitVectors(4096, Dimension);
        double error = 0;
        const int Rows = 1024;
        for (int r = 0; r < Rows; r++)
        {
            ReadOnlySpan<float> row = rows.AsSpan(r * Dimension, Dimension);
            double[] decoded = reference.Decode(reference.Encode(row));
            for (int i = 0; i < Dimension; i++)
                error += (row[i] - decoded[i]) * (row[i] - decoded[i]) / Rows;
        }

        Measure.AssertInBand(error, expected, Tolerances.Theory, $"{rule}, {bits} bits");
    }

    [Fact]
    public void BandRejectsDecodersOfZerosAndOfHalfTheRow()
    {
        float[] rows = TestRows.UnitVectors(4096, Dimension), zeros = new float[rows.Length], half = [.. rows];
        for (int i = 0; i < half.Length; i++)
            half[i] = i % Dimension < Dimension / 2 ? half[i] : 0;
        for (int bits = 1; bits <= 8; bits++)
        {
            double optimum = bits <= 5 ? LloydMaxReference.Of(Dimension, bits).Nmse : Math.Pow(4, -bits) * 2.7;
            Assert.False(Measure.InBand(Measure.Nmse(rows, zeros), optimum, Tolerances.Theory));
            Assert.False(Measure.InBand(Measure.Nmse(rows, half), optimum, Tolerances.Theory));
            Assert.False(Measure.InBand(Measure.Nmse(rows, rows), optimum, Tolerances.Theory)); // Too good is wrong as well.
            Assert.True(Measure.InBand(optimum * 1.01, optimum, Tolerances.Theory));
        }
    }

    [Theory]
    [InlineData(1, 1.571)]
    [InlineData(2, 0.571)]
    [InlineData(3, 0.1845)]
    [InlineData(4, 0.0543)]
    public void InnerProductsHaveThePapersDistortionAndTheSeedsFaultsShow(int bits, double expected)
    {
        double[] levels = bits == 1 ? [0] : LloydMaxReference.Of(Dimension, bits - 1).Levels;
        const int Sketches = 40, Pairs = 40;
        float[] units = TestRows.UnitVectors(4096, Dimension);
        var squared = new double[3];
        for (int s = 0; s < Sketches; s++)
        {
            var reference = new TurboQuantIpReference(levels, TurboQuantIpReference.GaussianSketch(Dimension, Dimension, seed: s));
            for (int p = 0; p < Pairs; p++)
            {
                double[] x = Unit(units, p), q = Unit(units, 100 + (s * Pairs) + p);
                foreach (Fault fault in Enum.GetValues<Fault>())
                    squared[(int)fault] += Math.Pow(reference.Estimate(q, x, fault) - ReferenceMath.Dot(q, x), 2) / (Sketches * Pairs);
            }
        }

        // 1,600 pairs estimate a variance to 3.5 %.
        Measure.AssertInBand(squared[0] * Dimension, expected, 2 * Tolerances.InnerProductDistortion, $"{bits} bits");
        Assert.True(squared[(int)Fault.AbsoluteQuerySketch] > 1.5 * squared[0], "|S q| went unnoticed.");
        if (bits > 1)
            Assert.True(squared[(int)Fault.WithoutResidualNorm] > 1.5 * squared[0], "a missing ||r|| went unnoticed.");
    }

    [Fact]
    public void AttentionIsTheTextbooksOnTwoTokens()
    {
        // Logits 0 and ln 3 after the division by sqrt(4): weights 1/4 and 3/4; the first query sees the first token alone.
        float[] keys = [0, 0, 0, 0, 1, 0, 0, 0], values = [1, 0, 0, 0, 0, 1, 0, 0], queries = [9, 9, 9, 9, (float)(2 * Math.Log(3)), 0, 0, 0];
        double[] outputs = AttentionReference.Run(queries, keys, values, 4);
        double[] expected = [1, 0, 0, 0, 0.25, 0.75, 0, 0];
        for (int i = 0; i < 8; i++)
            Assert.Equal(expected[i], outputs[i], 1e-7);
        Assert.Equal(0, AttentionReference.Divergence([0.25, 0.75], [0.25, 0.75]));
        Assert.Equal(0.25 * Math.Log(0.5) + (0.75 * Math.Log(1.5)), AttentionReference.Divergence([0.25, 0.75], [0.5, 0.5]), 1e-12);
    }

    internal static double[,] Identity(int dimension)
    {
        var identity = new double[dimension, dimension];
        for (int i = 0; i < dimension; i++)
            identity[i, i] = 1;
        return identity;
    }

    private static double[] Unit(float[] units, int index) => ReferenceMath.ToDouble(units.AsSpan(index * Dimension, Dimension));
}
