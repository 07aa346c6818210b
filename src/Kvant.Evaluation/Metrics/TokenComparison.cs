namespace Kvant.Evaluation.Metrics;

/// <summary>What a compressed cache changed in the probabilities behind one token of a text.</summary>
/// <param name="Divergence">KL(exact | compressed), in nats.</param>
/// <param name="ExactLogProbability">The logarithm of the true token's probability with the exact cache.</param>
/// <param name="LogProbability">The same with the compressed one.</param>
/// <param name="SameTop">Whether the most likely token is the same.</param>
internal readonly record struct TokenComparison(double Divergence, double ExactLogProbability, double LogProbability, bool SameTop)
{
    /// <summary>Compares two rows of probabilities.</summary>
    /// <param name="exact">With the exact cache.</param>
    /// <param name="compressed">With the compressed one.</param>
    /// <param name="target">The token that comes next in the text.</param>
    public static TokenComparison Of(SoftmaxRow exact, SoftmaxRow compressed, int target) => new(
        exact.DivergenceOf(compressed),
        exact.Logits[target] - exact.LogSumExp,
        compressed.Logits[target] - compressed.LogSumExp,
        exact.Top == compressed.Top);
}
