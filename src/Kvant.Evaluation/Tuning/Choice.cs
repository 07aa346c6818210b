using Kvant.Codecs;

namespace Kvant.Evaluation.Tuning;

/// <summary>One codec for the keys or the values of one layer: what it takes and what it is thought to lose.</summary>
/// <param name="Spec">The codec.</param>
/// <param name="Bits">Bits of one token's rows of all heads of the layer.</param>
/// <param name="Loss">Its share of the divergence, in nats, or of the attention error where there is no model.</param>
internal readonly record struct Choice(CodecSpec Spec, double Bits, double Loss);
