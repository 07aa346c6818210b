using Kvant.Numerics;

namespace Kvant.Codebooks;

/// <summary>
/// The exact distribution of one coordinate of a random unit vector: density proportional to (1 - x^2)^((d-3)/2) on [-1, 1],
/// that is x = 2u - 1 with u ~ Beta((d-1)/2, (d-1)/2). After a random rotation every coordinate of every row, divided by
/// the row's norm, follows it.
/// </summary>
internal sealed class SphereDensity
{
    private readonly double _normalizer;

    /// <summary>The distribution for rows of <paramref name="dimension"/> numbers, at least 3 (below, the density is not bounded).</summary>
    public SphereDensity(int dimension)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(dimension, 3);
        Dimension = dimension;
        _normalizer = 0.5 / Integral(1, dimension - 3);
    }

    /// <summary>Numbers in a row.</summary>
    public int Dimension { get; }

    /// <summary>The density at x in [-1, 1].</summary>
    public double At(double x) => _normalizer * HalfPower(1 - (x * x), Dimension - 3);

    /// <summary>The probability of (0, x).</summary>
    public double Mass(double x) => _normalizer * Integral(x, Dimension - 3);

    /// <summary>The integral of x times the density over (a, b); it has a closed form.</summary>
    public double FirstMoment(double a, double b) =>
        _normalizer * (HalfPower(1 - (a * a), Dimension - 1) - HalfPower(1 - (b * b), Dimension - 1)) / (Dimension - 1);

    /// <summary>The x in [0, 1] below which lies the given share of the flattened density (density)^(1/3) over (0, 1).
    /// Levels spread like that are nearly optimal for fine codes (Panter and Dite), so the solver starts there.</summary>
    public double CompandedQuantile(double share)
    {
        // The cube root of (1 - x^2)^(n/2) is (1 - x^2)^(n/6); the nearest exponent of the same parity keeps the closed form.
        int exponent = (Dimension - 3) / 3;
        double whole = Integral(1, exponent), low = 0, high = 1;
        for (int i = 0; i < 60; i++)
        {
            double middle = 0.5 * (low + high);
            if (Integral(middle, exponent) < share * whole)
                low = middle;
            else
                high = middle;
        }

        return 0.5 * (low + high);
    }

    // The integral of (1 - x^2)^(exponent/2) over (0, x), by J_k = (x (1-x^2)^k + 2k J_(k-1)) / (2k + 1): only positive terms,
    // so nothing cancels.
    private static double Integral(double x, int exponent)
    {
        double rest = 1 - (x * x), sum, power;
        int twice;
        if (exponent % 2 == 0)
        {
            (twice, sum, power) = (0, x, 1);
        }
        else
        {
            (twice, power) = (1, Math.Sqrt(rest));
            sum = 0.5 * ((x * power) + PortableMath.Asin(x));
        }

        while (twice < exponent)
        {
            twice += 2;
            power *= rest;
            sum = ((x * power) + (twice * sum)) / (twice + 1);
        }

        return sum;
    }

    // value^(exponent/2)
    private static double HalfPower(double value, int exponent)
    {
        double result = exponent % 2 == 0 ? 1 : Math.Sqrt(value);
        for (int n = exponent / 2; n > 0; n /= 2)
        {
            if (n % 2 != 0)
                result *= value;
            value *= value;
        }

        return result;
    }
}
