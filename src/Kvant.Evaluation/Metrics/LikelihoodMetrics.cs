namespace Kvant.Evaluation.Metrics;

/// <summary>How likely the text itself stays: perplexity, and the probability of each true token.</summary>
internal static class LikelihoodMetrics
{
    public static double Perplexity(TokenComparisons tokens, ReadOnlySpan<int> weights) => Math.Exp(-tokens.Mean(weights, t => t.LogProbability));

    public static double PerplexityRatio(TokenComparisons tokens, ReadOnlySpan<int> weights) =>
        Math.Exp(tokens.Mean(weights, t => t.ExactLogProbability - t.LogProbability));

    public static double TrueTokenChange(TokenComparisons tokens, ReadOnlySpan<int> weights) => Math.Sqrt(tokens.Mean(weights, t =>
    {
        double change = Math.Exp(t.LogProbability) - Math.Exp(t.ExactLogProbability);
        return change * change;
    }));
}
