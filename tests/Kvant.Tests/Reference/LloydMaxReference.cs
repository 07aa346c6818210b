using System.Collections.Concurrent;

namespace Kvant.Tests.Reference;

/// <summary>
/// The optimal scalar codebook of the sphere density by Lloyd's plain iteration: thresholds in the middle, levels at the
/// centroids, until nothing moves. Levels are times sqrt(d), ascending.
/// </summary>
internal sealed class LloydMaxReference
{
    private static readonly ConcurrentDictionary<(int, int), LloydMaxReference> s_made = new();

    private LloydMaxReference(SphereDensity density, double[] levels)
    {
        Levels = levels;
        double error = 0;
        for (int i = 0; i < levels.Length; i++)
            error += density.Distortion(Threshold(levels, i - 1, density), Threshold(levels, i, density), levels[i]);
        Nmse = error;
    }

    public double[] Levels { get; }

    /// <summary>Expected squared error of a unit vector.</summary>
    public double Nmse { get; }

    /// <summary>The optimum of 1 to 5 bits; beyond, plain iteration takes minutes, and <see cref="Residual"/> tells whether levels are the optimum.</summary>
    public static LloydMaxReference Of(int dimension, int bits) => bits > 5
        ? throw new ArgumentOutOfRangeException(nameof(bits), bits, "Plain iteration is for 1 to 5 bits.")
        : s_made.GetOrAdd((dimension, bits), static key => Solve(key.Item1, key.Item2));

    /// <summary>How far the levels of any codebook are from the centroids of their cells: 0 for the one optimum of this log-concave density.</summary>
    public static double Residual(int dimension, double[] levels)
    {
        var density = new SphereDensity(dimension);
        double worst = 0;
        for (int i = 0; i < levels.Length; i++)
            worst = Math.Max(worst, Math.Abs(levels[i] - density.Centroid(Threshold(levels, i - 1, density), Threshold(levels, i, density))));
        return worst;
    }

    /// <summary>Expected squared error of a unit vector with any levels.</summary>
    public static double NmseOf(int dimension, double[] levels) => new LloydMaxReference(new SphereDensity(dimension), levels).Nmse;

    private static LloydMaxReference Solve(int dimension, int bits)
    {
        var density = new SphereDensity(dimension);
        int half = 1 << (bits - 1);
        double[] positive = [.. Enumerable.Range(0, half).Select(i => (i + 0.5) * Math.Min(4, density.End) / half)];
        for (double moved = 1; moved > 1e-13;)
        {
            moved = 0;
            for (int i = 0; i < half; i++)
            {
                // Gauss-Seidel order: the level below has already moved. Same fixed point, half the rounds.
                double from = i == 0 ? 0 : (positive[i - 1] + positive[i]) / 2;
                double to = i == half - 1 ? density.End : (positive[i] + positive[i + 1]) / 2;
                double centroid = density.Centroid(from, to);
                moved = Math.Max(moved, Math.Abs(centroid - positive[i]));
                positive[i] = centroid;
            }
        }

        return new LloydMaxReference(density, [.. positive.Reverse().Select(x => -x), .. positive]);
    }

    private static double Threshold(double[] levels, int index, SphereDensity density) =>
        index < 0 ? -density.End : index == levels.Length - 1 ? density.End : (levels[index] + levels[index + 1]) / 2;
}
