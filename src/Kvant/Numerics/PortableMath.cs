namespace Kvant.Numerics;

/// <summary>
/// The few functions that rotations and codebooks need, from + - * / and square root alone. Those five are exact in
/// IEEE 754, so the results are the same bits on every machine; <see cref="Math"/> calls the platform's C library, which
/// is not. Accurate to a few units in the last place.
/// </summary>
internal static class PortableMath
{
    private const double Ln2 = 0.693147180559945309417232121458;
    private const double Pi = 3.14159265358979323846;

    /// <summary>Natural logarithm of a positive, normal number.</summary>
    public static double Log(double x)
    {
        long bits = BitConverter.DoubleToInt64Bits(x);
        int exponent = (int)(bits >> 52) - 1023;
        double mantissa = BitConverter.Int64BitsToDouble((bits & 0xFFFFFFFFFFFFF) | 0x3FF0000000000000);
        if (mantissa > 1.4142135623730951)
        {
            mantissa *= 0.5;
            exponent++;
        }

        // log m = 2 artanh((m-1)/(m+1)); |s| < 0.172, so 12 terms reach the last bit.
        double s = (mantissa - 1) / (mantissa + 1), square = s * s, sum = 0;
        for (int k = 25; k >= 1; k -= 2)
            sum = (sum * square) + (1.0 / k);
        return (exponent * Ln2) + (2 * s * sum);
    }

    /// <summary>e to the power of x, for x whose power is a normal number.</summary>
    public static double Exp(double x)
    {
        // x = n ln 2 + r; |r| < .35, so 14 terms reach the last bit.
        double n = Math.Round(x / Ln2), r = x - (n * Ln2), sum = 1;
        for (int k = 14; k >= 1; k--)
            sum = 1 + (r * sum / k);
        return sum * BitConverter.Int64BitsToDouble((1023L + (long)n) << 52);
    }

    /// <summary>Sine and cosine of an angle of at most 2^28 radians.</summary>
    public static (double Sine, double Cosine) SinCos(double x)
    {
        // A quarter turn in three parts, two of 24 bits, so that their products with n are exact.
        double n = Math.Round(x / (Pi / 2)), r = x - (n * 1.570796251296997) - (n * 7.549789415861596e-08) - (n * 5.390302858158119e-15);
        double sine = r * Series(r, 1), cosine = Series(r, 0);
        return ((long)n & 3) switch
        {
            0 => (sine, cosine),
            1 => (cosine, -sine),
            2 => (-sine, -cosine),
            _ => (-cosine, sine),
        };
    }

    /// <summary>Arc tangent.</summary>
    public static double Atan(double x)
    {
        // Three halvings bring any x below tan(pi/16) < 0.2, where the series is short.
        double factor = 1;
        for (int i = 0; i < 3; i++)
        {
            x /= 1 + Math.Sqrt(1 + (x * x));
            factor *= 2;
        }

        double square = x * x, sum = 0;
        for (int k = 25; k >= 1; k -= 2)
            sum = (1.0 / k) - (square * sum);
        return factor * x * sum;
    }

    /// <summary>Arc sine of a number in [-1, 1].</summary>
    public static double Asin(double x) => 2 * Atan(x / (1 + Math.Sqrt(1 - (x * x))));

    /// <summary>cos(2 pi numerator / denominator) + sin(2 pi numerator / denominator).</summary>
    public static double CosPlusSin(long numerator, long denominator)
    {
        // cos a + sin a = sqrt 2 cos(a - 1/8 turn). In units of 1/8 of 1/denominator turns the angle is a whole number,
        // so the reduction to the first eighth of the circle is exact.
        long full = 8 * denominator, turn = ((8 * numerator) - denominator) % full;
        if (turn < 0)
            turn += full;
        if (turn > full / 2)
            turn = full - turn;
        bool negate = turn > full / 4;
        if (negate)
            turn = (full / 2) - turn;
        double value = turn <= denominator ? Cos(turn) : Sin((full / 4) - turn);
        return Math.Sqrt(2) * (negate ? -value : value);

        double Angle(long t) => 2 * 3.14159265358979323846 * t / full;
        double Cos(long t) => Series(Angle(t), 0);
        double Sin(long t) => Angle(t) * Series(Angle(t), 1);
    }

    // 1 - x^2/((1+odd)(2+odd)) (1 - x^2/((3+odd)(4+odd)) (...)): cosine for odd = 0, sine over x for odd = 1; |x| <= pi/4.
    private static double Series(double x, int odd)
    {
        double sum = 1;
        for (int k = 20; k >= 2; k -= 2)
            sum = 1 - (x * x * sum / ((k - 1 + odd) * (k + odd)));
        return sum;
    }
}
