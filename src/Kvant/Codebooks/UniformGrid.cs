namespace Kvant.Codebooks;

/// <summary>Evenly spaced levels, ±(k + 1/2) steps, with the step of least squared error for the distribution.</summary>
internal static class UniformGrid
{
    /// <summary>How often the error is looked at.</summary>
    public const int Looks = 82;

    /// <summary>The positive levels for unit vectors of the density's dimension, ascending.</summary>
    /// <param name="density">The distribution.</param>
    /// <param name="bits">1 to 8.</param>
    public static double[] Solve(SphereDensity density, int bits)
    {
        // The error has one minimum in the step; halve the range around it by golden section.
        const double golden = 0.6180339887498949;
        int count = 1 << (bits - 1);
        double low = 1e-3 / count, high = 1.0 / count;
        double a = high - (golden * (high - low)), b = low + (golden * (high - low));
        double errorA = Error(a), errorB = Error(b);
        for (int i = 0; i < Looks - 2; i++)
        {
            if (errorA < errorB)
            {
                (high, b, errorB) = (b, a, errorA);
                a = high - (golden * (high - low));
                errorA = Error(a);
            }
            else
            {
                (low, a, errorA) = (a, b, errorB);
                b = low + (golden * (high - low));
                errorB = Error(b);
            }
        }

        return Levels(0.5 * (low + high));

        double Error(double step) => Codebook.Error(density, Levels(step));
        double[] Levels(double step) => [.. Enumerable.Range(0, count).Select(k => (k + 0.5) * step)];
    }
}
