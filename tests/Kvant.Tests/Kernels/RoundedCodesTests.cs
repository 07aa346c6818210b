using Kvant.Kernels;

namespace Kvant.Tests.Kernels;

/// <summary>Codes of evenly spaced levels: the scalar loop against double precision, then every width against the scalar loop.</summary>
[Collection(Widths.Name)]
[Trait(Widths.Trait, "width")]
public sealed class RoundedCodesTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    [InlineData(16)]
    [InlineData(32)]
    [InlineData(128)]
    [InlineData(219)]
    public void CodesAreTheRoundedNumbersAtEveryWidth(int length)
    {
        float[] numbers = TestRows.Gaussian(1, length, seed: length, scale: 3);
        for (int i = 0; i < length; i += 3)
            numbers[i] = i % 2 == 0 ? (i % 16) - 7.5f : (i - 60) * 1e5f; // halves, negative ones too, and far outside the limits

        // Units that are powers of two keep the halves exact.
        Check<Roundings.Quotient>(numbers, -1, 0.5f, 0, 15, x => Math.Round((x + 1) / 0.5));
        Check<Roundings.Quotient>(numbers, 0, 1, -127, 127, x => Math.Round(x));
        Check<Roundings.Product>(numbers, 0, 1, -127, 127, x => Math.Round(x, MidpointRounding.AwayFromZero));
        Check<Roundings.Shifted>(numbers, 8.5f, 2, 0, 15, x => Math.Truncate((x * 2) + 8.5));
    }

    private static void Check<TRounding>(float[] numbers, float offset, float unit, int low, int high, Func<double, double> rounded)
        where TRounding : IRounding
    {
        byte[][] results = Widths.AtEach(() =>
        {
            byte[] codes = new byte[numbers.Length];
            RoundedCodes.Find<TRounding>(numbers, offset, unit, low, high, codes);
            return codes;
        });
        for (int i = 0; i < numbers.Length; i++)
        {
            int code = low < 0 ? (sbyte)results[0][i] : results[0][i];
            Assert.True(Math.Abs(Math.Clamp(rounded(numbers[i]), low, high) - code) <= (i % 3 == 0 ? 0 : 1), $"{numbers[i]} became {code}.");
        }

        Assert.All(results, r => Assert.Equal(results[0], r));
    }
}
