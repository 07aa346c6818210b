using Kvant.Kernels;

namespace Kvant.Tests.Kernels;

/// <summary>Scores to weights, run by run, against the softmax in double precision.</summary>
[Collection(Widths.Name)]
[Trait(Widths.Trait, "width")]
public sealed class SoftmaxTests
{
    private const double Log2E = 1.4426950408889634;

    public static TheoryData<int> Rows => [1, 3, 4, 5, 15, 16, 17, 32, 63, 128];

    [Theory]
    [MemberData(nameof(Rows))]
    public void StepsGiveWeightsSumsAndMaximaOfAllRunsAtEveryWidth(int rows)
    {
        foreach (int queries in (int[])[1, 4, 7])
        {
            Assert.All(Widths.AtEach(() => Run(rows, queries)), worst => Assert.True(worst <= Tolerances.Exponential, $"{rows} rows, {queries} queries: a weight is off by {worst:G3}."));
        }
    }

    [Theory]
    [MemberData(nameof(Rows))]
    public void LogitsFarFromZeroGiveTheirWeightsAtEveryWidth(int rows)
    {
        foreach (float far in (float[])[-700_000, 700_000, -1e10f, 1e10f, 1e20f, 1e35f])
        {
            foreach (int queries in (int[])[1, 4, 7])
                Assert.All(Widths.AtEach(() => RunFar(rows, queries, far)), worst => Assert.True(worst <= Tolerances.Exponential, $"{rows} rows, {queries} queries, logits of {far}: a weight is off by {worst:G3}."));
        }
    }

    // The worst error of a weight, as a share of all, over runs of which some lie far below the others.
    private static double RunFar(int rows, int queries, float far)
    {
        var map = new LogitMap(0.7f, 0, 0);
        double unit = 0.7f * Softmax.Log2E, worst = 0;
        float[] maxima = [.. Enumerable.Repeat(float.NegativeInfinity, queries)], sums = new float[queries], factors = new float[queries];
        var logits = new List<float>[queries];
        var weights = new List<double>[queries];
        for (int run = 0; run < 4; run++)
        {
            // Sixteenths are what floats of this size can tell apart.
            float[] scores = [.. TestRows.Gaussian(queries, rows, seed: run + rows, scale: 3).Select(x => (run == 2 ? 2 * far : far) + (MathF.Round(x * 16) / 16))], found = [.. scores];
            Softmax.Steps(found, map, maxima, sums, factors);
            for (int q = 0; q < queries; q++)
            {
                weights[q] = [.. (weights[q] ?? []).Select(w => w * factors[q]), .. found.Skip(q * rows).Take(rows).Select(w => (double)w)];
                (logits[q] ??= []).AddRange(scores.AsSpan(q * rows, rows));
            }
        }

        for (int q = 0; q < queries; q++)
        {
            double most = logits[q].Max(), sum = logits[q].Sum(l => Math.Pow(2, (l - most) * unit));
            for (int i = 0; i < logits[q].Count; i++)
                worst = Math.Max(worst, Math.Abs((weights[q][i] / sums[q]) - (Math.Pow(2, (logits[q][i] - most) * unit) / sum)));
        }

        return worst;
    }

    // The worst relative error of a weight or a sum over three runs.
    private static double Run(int rows, int queries)
    {
        var map = new LogitMap(0.7f, 0, 0);
        float[] maxima = [.. Enumerable.Repeat(float.NegativeInfinity, queries)], sums = new float[queries], factors = new float[queries];
        double[] exactSums = new double[queries];
        double worst = 0;
        for (int run = 0; run < 3; run++)
        {
            float[] scores = TestRows.Gaussian(queries, rows, seed: (100 * run) + rows, scale: 20), weights = [.. scores], before = [.. maxima];
            Softmax.Steps(weights, map, maxima, sums, factors);
            for (int q = 0; q < queries; q++)
            {
                double expectedFactor = Math.Pow(2, (double)before[q] - maxima[q]);
                worst = Math.Max(worst, Math.Abs(factors[q] - expectedFactor));
                exactSums[q] *= expectedFactor;
                for (int r = 0; r < rows; r++)
                {
                    double power = (scores[(q * rows) + r] * (0.7 * Log2E)) - maxima[q], weight = Math.Pow(2, power);
                    exactSums[q] += weight;
                    if (power > -100)
                        worst = Math.Max(worst, Math.Abs((weights[(q * rows) + r] / weight) - 1));
                }

                worst = Math.Max(worst, Math.Abs((sums[q] / exactSums[q]) - 1));
            }
        }

        return worst;
    }
}
