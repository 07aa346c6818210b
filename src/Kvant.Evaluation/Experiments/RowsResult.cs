using Kvant.Evaluation.Metrics;

namespace Kvant.Evaluation.Experiments;

/// <summary>What a codec made of one head's rows.</summary>
internal sealed record RowsResult(long Bytes, NormalizedError Error);
