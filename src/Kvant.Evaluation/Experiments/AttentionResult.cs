using Kvant.Evaluation.Metrics;

namespace Kvant.Evaluation.Experiments;

/// <summary>What the decoded keys of one head do to its attention weights, over all queries that share the head.</summary>
internal sealed class AttentionResult
{
    public LogitError Logits { get; } = new();

    public AttentionDivergence Divergence { get; } = new();

    public TopAgreement Top { get; } = new();

    public void Add(SoftmaxRow exact, SoftmaxRow decoded)
    {
        Logits.Add(exact.Logits, decoded.Logits);
        if (exact.Length < 2)
            return; // the first query sees one token: its weight is 1 whatever the codec does
        Divergence.Add(exact, decoded);
        Top.Add(exact, decoded);
    }
}
