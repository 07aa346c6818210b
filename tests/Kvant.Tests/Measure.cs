using System.Numerics;

namespace Kvant.Tests;

/// <summary>Errors in double precision.</summary>
internal static class Measure
{
    /// <summary>Squared error over squared norm, summed over all rows: 1 for a decoder of zeros.</summary>
    public static double Nmse(ReadOnlySpan<float> original, ReadOnlySpan<float> decoded)
    {
        Assert.Equal(original.Length, decoded.Length);
        double error = 0, energy = 0;
        for (int i = 0; i < original.Length; i++)
        {
            double difference = (double)original[i] - decoded[i];
            error += difference * difference;
            energy += (double)original[i] * original[i];
        }

        return error / energy;
    }

    public static double Square(double number) => number * number;

    public static double SquaredNorm(ReadOnlySpan<float> row) => Dot(row, row);

    public static double Norm(ReadOnlySpan<float> row) => Math.Sqrt(SquaredNorm(row));

    public static double Dot(ReadOnlySpan<float> left, ReadOnlySpan<float> right)
    {
        Vector<double> sums = Vector<double>.Zero;
        int i = 0;
        // In a process without vectors they are slower than numbers.
        for (; Vector.IsHardwareAccelerated && i <= left.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            Vector.Widen(new Vector<float>(left[i..]), out Vector<double> low, out Vector<double> high);
            Vector.Widen(new Vector<float>(right[i..]), out Vector<double> otherLow, out Vector<double> otherHigh);
            sums += (low * otherLow) + (high * otherHigh);
        }

        double sum = Vector.Sum(sums);
        for (; i < left.Length; i++)
            sum += (double)left[i] * right[i];
        return sum;
    }

    /// <summary>Whether a measured error is the theoretical one, give or take a fraction. The one band of these tests: zero decoders must fail it.</summary>
    public static bool InBand(double measured, double theory, double fraction) =>
        measured >= theory * (1 - fraction) && measured <= theory * (1 + fraction);

    public static void AssertInBand(double measured, double theory, double fraction, string what) =>
        Assert.True(InBand(measured, theory, fraction), $"{what}: measured {measured:G6}, theory {theory:G6} +-{fraction:P1}.");
}
