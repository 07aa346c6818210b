using Kvant.Caching;
using Kvant.Evaluation.Metrics;

namespace Kvant.Evaluation.Tuning;

/// <summary>A policy on the way from few bytes to little loss.</summary>
/// <param name="Policy">The codecs of each layer.</param>
/// <param name="BitsPerValue">Bits by number of the compressed body, everything counted.</param>
/// <param name="BytesPerToken">Bytes by token of the compressed body, all layers and heads.</param>
/// <param name="Predicted">What the measured parts add up to: mean divergence in nats, or, on a trace, the mean error of attention.</param>
/// <param name="Verified">What the model said about it on the held-out part; null on a trace.</param>
/// <param name="IsUniform">Whether every layer has the same codecs.</param>
internal sealed record TunePoint(LayerPolicy Policy, double BitsPerValue, double BytesPerToken, double Predicted, TokenLoss? Verified, bool IsUniform);
