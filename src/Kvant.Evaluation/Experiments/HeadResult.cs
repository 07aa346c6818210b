using Kvant.Evaluation.Metrics;

namespace Kvant.Evaluation.Experiments;

/// <summary>What one key-value head gives: an entry per key codec, per value codec and per contestant of its layer's plan.</summary>
internal sealed record HeadResult(RowsResult[] Keys, RowsResult[] Values, AttentionResult[] Attention, NormalizedError[] Outputs)
{
    /// <summary>What belongs to one contestant.</summary>
    public PairParts Of(int contestant, TraceLayerPlan plan)
    {
        (int key, int value) = plan.Pairs[contestant];
        return new(Keys[key], Values[value], Attention[key], Outputs[contestant]);
    }
}
