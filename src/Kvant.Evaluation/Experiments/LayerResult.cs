using Kvant.Evaluation.Metrics;

namespace Kvant.Evaluation.Experiments;

/// <summary>What a pair of codecs loses in one layer.</summary>
/// <param name="KeyNmse">Energy of the keys' error over their energy.</param>
/// <param name="ValueNmse">Energy of the values' error over their energy.</param>
/// <param name="AttentionKl">Divergence of the attention weights, in nats; null without queries.</param>
internal sealed record LayerResult(double KeyNmse, double ValueNmse, Distribution? AttentionKl);
