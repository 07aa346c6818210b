namespace Kvant.Kernels;

/// <summary>How scores become logits: log2(e) * cap(score * scale) + bias.</summary>
/// <param name="Scale">The factor of a score.</param>
/// <param name="Cap">The soft limit: x becomes cap * tanh(x / cap); 0 for none.</param>
/// <param name="BiasStep">What the bias grows by from one position to the next, in units of log2.</param>
internal readonly record struct LogitMap(float Scale, float Cap, float BiasStep);
