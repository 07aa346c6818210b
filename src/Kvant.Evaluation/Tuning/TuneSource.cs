using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Metrics;

namespace Kvant.Evaluation.Tuning;

/// <summary>What a policy is tuned on: a model and a text, or a trace.</summary>
internal abstract class TuneSource
{
    public abstract CacheGeometry Geometry { get; }

    /// <summary>Everything that measurements depend on beside codecs: the hash of the file, the text, the settings.</summary>
    public abstract string Fingerprint { get; }

    /// <summary>Work of <see cref="LayerErrors"/> by candidate, of <see cref="Sensitivity"/> by layer, of <see cref="Verify"/> by policy.</summary>
    public abstract (long Errors, long Sensitivity, long Verify) Steps { get; }

    /// <summary>By candidate and layer: the energy of the error of the attention output over its energy.</summary>
    public abstract double[][] LayerErrors(IReadOnlyList<LayerSpecs> candidates, ShareMeter meter);

    /// <summary>What the whole model loses where one layer's keys, or its values, are compressed alone by a codec: mean divergence, in nats.
    /// Null where only layers can be looked at.</summary>
    public abstract (double Keys, double Values)? Sensitivity(int layer, CodecSpec codec, ShareMeter meter);

    /// <summary>What policies lose on the held-out part; null where only layers can be looked at.</summary>
    public abstract TokenLoss[]? Verify(IReadOnlyList<LayerPolicy> policies, ShareMeter meter);
}
