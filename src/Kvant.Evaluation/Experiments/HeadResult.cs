using Kvant.Evaluation.Metrics;

namespace Kvant.Evaluation.Experiments;

/// <summary>What one key-value head gives: an entry per key codec, per value codec and per pair of the plan.</summary>
internal sealed record HeadResult(RowsResult[] Keys, RowsResult[] Values, AttentionResult[] Attention, NormalizedError[] Outputs);
