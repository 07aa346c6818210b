using Kvant.Evaluation.Retrieval;

namespace Kvant.Evaluation.Tests.Retrieval;

/// <summary>How often the nearest of many random directions looks nearer than the right one, by integration over its noise and theirs.</summary>
internal static class RetrievalTheory
{
    /// <summary>The share of wrong answers.</summary>
    /// <param name="others">Wrong keys.</param>
    /// <param name="noise">Energy of the error over energy of the signal.</param>
    public static double FailureRate(int others, double noise)
    {
        const int points = 2000;
        double deviation = Math.Sqrt(noise / InductionModel.MatchedChannels);
        // The density of a coordinate of a random unit vector.
        double[] cosines = [.. Enumerable.Range(0, points).Select(i => -1 + ((2 * i) + 1.0) / points)];
        double[] density = [.. cosines.Select(x => Math.Pow(1 - (x * x), (InductionModel.MatchedChannels - 3) / 2.0))];
        double all = density.Sum(), failures = 0, weights = 0;
        for (double z = -4; z <= 4; z += 0.1)
        {
            double right = 1 + (deviation * z), weight = Math.Exp(-z * z / 2);
            double nearer = others * cosines.Zip(density, (x, p) => p * Tail((right - x) / deviation)).Sum() / all;
            failures += weight * (1 - Math.Exp(-nearer));
            weights += weight;
        }

        return failures / weights;
    }

    // The upper tail of the normal distribution to 1e-7 (Abramowitz and Stegun, 26.2.17).
    private static double Tail(double x)
    {
        if (x < 0)
            return 1 - Tail(-x);
        double t = 1 / (1 + (0.2316419 * x));
        double sum = t * (0.319381530 + (t * (-0.356563782 + (t * (1.781477937 + (t * (-1.821255978 + (t * 1.330274429))))))));
        return Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI) * sum;
    }
}
