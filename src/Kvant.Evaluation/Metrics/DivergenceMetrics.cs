namespace Kvant.Evaluation.Metrics;

/// <summary>How far next-token probabilities move: KL(exact | compressed) over the tokens of a text, in nats.</summary>
internal static class DivergenceMetrics
{
    public static double Mean(TokenComparisons tokens, ReadOnlySpan<int> weights) => tokens.Mean(weights, t => t.Divergence);

    /// <summary>The smallest divergence that a share of the tokens does not exceed; 1 for the largest of all.</summary>
    public static double Percentile(TokenComparisons tokens, ReadOnlySpan<int> weights, double share)
    {
        long left = Math.Max(1, (long)Math.Ceiling(share * tokens.Count(weights)));
        foreach ((double divergence, int chunk) in tokens.Sorted)
        {
            left -= weights[chunk];
            if (left <= 0)
                return divergence;
        }

        return 0;
    }
}
