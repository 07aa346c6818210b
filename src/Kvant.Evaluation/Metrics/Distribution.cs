namespace Kvant.Evaluation.Metrics;

/// <summary>What a report says about many numbers.</summary>
/// <param name="Mean">Their mean, which a few bad ones can carry.</param>
/// <param name="Median">The middle one.</param>
/// <param name="P99">99 % are below.</param>
internal sealed record Distribution(double Mean, double Median, double P99)
{
    /// <summary>Summarizes numbers; percentiles interpolate linearly between neighbors. All zeros for none.</summary>
    /// <param name="samples">In any order; not changed.</param>
    public static Distribution Of(ReadOnlySpan<double> samples)
    {
        if (samples.IsEmpty)
            return new(0, 0, 0);
        double[] sorted = samples.ToArray();
        Array.Sort(sorted);
        return new(sorted.Average(), Percentile(sorted, 0.5), Percentile(sorted, 0.99));
    }

    private static double Percentile(double[] sorted, double share)
    {
        double position = share * (sorted.Length - 1);
        int below = (int)position, above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + ((position - below) * (sorted[above] - sorted[below]));
    }
}
