namespace Kvant.Evaluation.Metrics;

/// <summary>The share of tokens whose most likely successor stays the same.</summary>
internal static class TopTokenAgreement
{
    public static double Share(TokenComparisons tokens, ReadOnlySpan<int> weights) => tokens.Mean(weights, t => t.SameTop ? 1 : 0);
}
