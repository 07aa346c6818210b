namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Results of single precision in each way of rounding: exact ones are found as a double and what it lacks, and rounded once.</summary>
internal static class PtxRound
{
    public static float Single(double value, double error, PtxRounding rounding)
    {
        double exact = Odd(value, error);
        float nearest = (float)exact;
        bool down = rounding == PtxRounding.Down || rounding == PtxRounding.Zero && exact > 0, up = rounding == PtxRounding.Up || rounding == PtxRounding.Zero && exact < 0;
        return down && nearest > exact ? MathF.BitDecrement(nearest) : up && nearest < exact ? MathF.BitIncrement(nearest) : nearest;
    }

    public static Half Half(double value, double error, PtxRounding rounding)
    {
        double exact = Odd(value, error);
        var nearest = (Half)exact;
        if (System.Half.IsNaN(nearest))
            return BitConverter.UInt16BitsToHalf(0x7FFF);
        bool down = rounding == PtxRounding.Down || rounding == PtxRounding.Zero && exact > 0, up = rounding == PtxRounding.Up || rounding == PtxRounding.Zero && exact < 0;
        return down && (double)nearest > exact ? System.Half.BitDecrement(nearest) : up && (double)nearest < exact ? System.Half.BitIncrement(nearest) : nearest;
    }

    public static (double Value, double Error) Sum(double a, double b, PtxRounding rounding)
    {
        double sum = a + b, part = sum - a;
        // What cancels is minus zero where results are rounded down.
        if (sum == 0 && rounding == PtxRounding.Down && (a != 0 || double.IsNegative(a) || double.IsNegative(b)))
            return (-0.0, 0);
        return (sum, a - (sum - part) + (b - part));
    }

    public static (double Value, double Error) Quotient(double a, double b)
    {
        double quotient = a / b;
        return (quotient, Math.FusedMultiplyAdd(-quotient, b, a) / b);
    }

    public static (double Value, double Error) Root(double a)
    {
        double root = Math.Sqrt(a);
        return (root, Math.FusedMultiplyAdd(-root, root, a));
    }

    /// <summary>The nearest double whose last bit is one where the value is not exact: rounded again to fewer bits it is as if it were rounded once.</summary>
    private static double Odd(double value, double error)
    {
        if (!double.IsFinite(value) || !double.IsFinite(error) || error == 0 || (BitConverter.DoubleToUInt64Bits(value) & 1) != 0)
            return value;
        return error > 0 ? Math.BitIncrement(value) : Math.BitDecrement(value);
    }
}
