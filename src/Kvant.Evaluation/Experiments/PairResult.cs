using System.Text.Json.Serialization;
using Kvant.Evaluation.Metrics;

namespace Kvant.Evaluation.Experiments;

/// <summary>What one pair of codecs costs and loses on a trace. The attention numbers are null where the trace has no queries.</summary>
internal sealed record PairResult
{
    /// <summary>The name of a policy; null for one pair of codecs for all layers.</summary>
    public string? Policy { get; init; }

    /// <summary>The full text of the key codec's spec; of a policy, those of all layers, separated by bars, where they differ.</summary>
    public required string Keys { get; init; }

    /// <summary>The same of the value codec's.</summary>
    public required string Values { get; init; }

    /// <summary>Stored bytes of the whole model by token: blocks, state and tails of all layers and heads.</summary>
    public required double BytesPerToken { get; init; }

    /// <summary>Stored bits by number.</summary>
    public required double BitsPerValue { get; init; }

    /// <summary>How many times smaller than 16-bit floats.</summary>
    public required double Ratio { get; init; }

    /// <summary>Energy of the keys' error over their energy, all layers together.</summary>
    public required double KeyNmse { get; init; }

    /// <summary>Energy of the values' error over their energy, all layers together.</summary>
    public required double ValueNmse { get; init; }

    /// <summary>Root mean square error of the attention logits.</summary>
    public double? LogitRmse { get; init; }

    /// <summary>Divergence of the attention weights, in nats, over layers, heads and queries (<see cref="AttentionDivergence"/>).</summary>
    public Distribution? AttentionKl { get; init; }

    /// <summary>Share of queries whose largest weight stays on the same token.</summary>
    public double? Top1 { get; init; }

    /// <summary>Energy of the error of the attention outputs over their energy.</summary>
    public double? OutputError { get; init; }

    /// <summary>The same by layer, in order.</summary>
    public required IReadOnlyList<LayerResult> Layers { get; init; }

    /// <summary>A short name for people: that of the policy, or the specs without their default settings.</summary>
    [JsonIgnore]
    public string Label => Policy ?? ResultSpecs.Short(Keys, Values);

    /// <summary>What the default comparison left out beside this; the same in every result, null where nothing was.</summary>
    public IReadOnlyList<LeftOut>? LeftOut { get; init; }
}
