using Kvant.Evaluation.Metrics;

namespace Kvant.Evaluation.Experiments;

/// <summary>What one key-value head gives for one contestant.</summary>
internal sealed record PairParts(RowsResult Keys, RowsResult Values, AttentionResult Attention, NormalizedError Output);
