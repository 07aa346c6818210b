using Kvant.Tests.Reference;

namespace Kvant.Tests.Codecs;

/// <summary>Q8: one scale per row, symmetric.</summary>
public sealed class Q8Tests
{
    [Fact]
    public void RowsAreThoseOfTheReference()
    {
        foreach (int dimension in CodecCases.Dimensions)
        {
            float[] rows = TestRows.Gaussian(64, dimension, seed: 70);
            float[] decoded = CodecCases.RoundTrip(CodecCases.Create("q8", dimension), rows);
            int differing = 0;
            for (int r = 0; r < 64; r++)
            {
                (double[] expected, double half) = Q8Reference.RoundTrip(rows.AsSpan(r * dimension, dimension));
                for (int i = r * dimension; i < (r + 1) * dimension; i++)
                {
                    double slack = Tolerances.HalfPrecision * Math.Abs(rows[i]);
                    Assert.True(Math.Abs(rows[i] - decoded[i]) <= (half * 1.001) + slack, $"dimension {dimension}, row {r}: {rows[i]} became {decoded[i]}, half a step is {half}.");
                    differing += Math.Abs(expected[i - (r * dimension)] - decoded[i]) > Tolerances.DecodedRow * half * 254 ? 1 : 0;
                }
            }

            Assert.True(differing <= 2, $"dimension {dimension}: {differing} codes differ from the reference; only ties may.");
        }
    }

    [Fact]
    public void ErrorIsThatOfAUniformGrid()
    {
        float[] rows = TestRows.Gaussian(2048, 128, seed: 71);
        double expected = 0, energy = Measure.SquaredNorm(rows) / 2048;
        for (int r = 0; r < 2048; r++)
            expected += Math.Pow(2 * Q8Reference.RoundTrip(rows.AsSpan(r * 128, 128)).HalfStep, 2) / 12 * 128 / 2048;
        double error = Measure.Nmse(rows, CodecCases.RoundTrip(CodecCases.Create("q8", 128), rows));

        // The largest number of each row (about 1 of 128) is met nearly exactly, fp16 scales add about as much.
        Measure.AssertInBand(error, expected / energy, Tolerances.Theory, "q8");
    }

    [Fact]
    public void BytesAreOnePerNumberAndAScale() => Assert.InRange(CodecCases.Create("q8", 128).BytesPerBlock, 130, 132);
}
