namespace Kvant.Codebooks;

/// <summary>
/// The scalar quantizer of least squared error for a given distribution (Lloyd 1957, Max 1960): every threshold is halfway
/// between two levels, every level is the mean of its interval.
/// </summary>
/// <remarks>The distribution is symmetric, so only the positive half is solved. The conditions are tridiagonal in the
/// levels, so Newton's method converges in a few steps to the last digits; a step that breaks the order of the levels, or
/// meets the conditions less well than before, is halved until it does not.</remarks>
internal static class LloydMax
{
    /// <summary>About how often all levels are looked at, for an estimate of the cost: 20 times for where to begin (60 integrals, of a third of the length), the rest for a dozen steps, of which few are halved.</summary>
    public const int Looks = 45;

    private const int MaxSteps = 100;
    private const double SmallestShare = 1e-3;

    /// <summary>The positive levels for unit vectors of the density's dimension, ascending.</summary>
    /// <param name="density">The distribution.</param>
    /// <param name="bits">1 to 8.</param>
    public static double[] Solve(SphereDensity density, int bits)
    {
        int count = 1 << (bits - 1);
        double[] levels = new double[count];
        for (int k = 0; k < count; k++)
            levels[k] = density.CompandedQuantile((k + 0.5) / count);

        double violation = Violation(density, levels);
        for (int step = 0; step < MaxSteps; step++)
        {
            double[] change = NewtonStep(density, levels);
            double[] next = levels;
            double reached = violation, share = 1;
            for (; share > SmallestShare; share /= 2)
            {
                next = [.. levels.Zip(change, (level, delta) => level + (share * delta))];
                if (Ascending(next) && (reached = Violation(density, next)) < violation)
                    break;
            }

            // No step is better: what is left is rounding.
            if (share <= SmallestShare)
                break;
            (levels, violation) = (next, reached);
        }

        return levels;
    }

    // How far the levels are from the means of their intervals: the sum of squares of G, below. Not weighted with the
    // interval's mass, or else a level far outside, where there is no mass, would pass for solved.
    private static double Violation(SphereDensity density, double[] levels)
    {
        double sum = 0;
        for (int k = 0; k < levels.Length; k++)
        {
            (double low, double high) = Interval(levels, k);
            double g = levels[k] - (density.FirstMoment(low, high) / (density.Mass(high) - density.Mass(low)));
            sum += g * g;
        }

        return sum;
    }

    // Where G(levels) = 0 would be if G were linear, G_k = level_k - mean_k. A threshold moves half as far as either neighbor.
    private static double[] NewtonStep(SphereDensity density, double[] levels)
    {
        int count = levels.Length;
        double[] lower = new double[count], diagonal = new double[count], upper = new double[count], right = new double[count];
        for (int k = 0; k < count; k++)
        {
            (double low, double high) = Interval(levels, k);
            double mass = density.Mass(high) - density.Mass(low), mean = density.FirstMoment(low, high) / mass;
            double atLow = k == 0 ? 0 : 0.5 * (mean - low) * density.At(low) / mass;
            double atHigh = k == count - 1 ? 0 : 0.5 * (high - mean) * density.At(high) / mass;
            lower[k] = -atLow;
            diagonal[k] = 1 - atLow - atHigh;
            upper[k] = -atHigh;
            right[k] = mean - levels[k];
        }

        for (int k = 1; k < count; k++)
        {
            double factor = lower[k] / diagonal[k - 1];
            diagonal[k] -= factor * upper[k - 1];
            right[k] -= factor * right[k - 1];
        }

        double delta = 0;
        for (int k = count - 1; k >= 0; k--)
            right[k] = delta = (right[k] - (upper[k] * delta)) / diagonal[k];
        return right;
    }

    private static (double Low, double High) Interval(double[] levels, int k) => (
        k == 0 ? 0 : 0.5 * (levels[k - 1] + levels[k]),
        k == levels.Length - 1 ? 1 : 0.5 * (levels[k] + levels[k + 1]));

    private static bool Ascending(double[] levels)
    {
        double last = 0;
        foreach (double level in levels)
        {
            if (!(level > last && level < 1))
                return false;
            last = level;
        }

        return true;
    }
}
