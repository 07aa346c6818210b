using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Sources;

namespace Kvant.Evaluation.Experiments;

/// <summary>Which codecs have to run in one layer, each once, whichever contestants have it there.</summary>
internal sealed class TraceLayerPlan
{
    public TraceLayerPlan(LayerSpecs[] contestants, ITraceSource source, Func<CodecSpec, int, CodecRole, Codec> create)
    {
        CodecSpec[] keys = [.. contestants.Select(c => c.Keys).Distinct()], values = [.. contestants.Select(c => c.Values).Distinct()];
        Keys = [.. keys.Select(s => create(s, source.KeyDimension, CodecRole.Keys))];
        Values = [.. values.Select(s => create(s, source.ValueDimension, CodecRole.Values))];
        Pairs = [.. contestants.Select(c => (Array.IndexOf(keys, c.Keys), Array.IndexOf(values, c.Values)))];
    }

    public Codec[] Keys { get; }

    public Codec[] Values { get; }

    /// <summary>Each contestant's place in <see cref="Keys"/> and in <see cref="Values"/>.</summary>
    public (int Key, int Value)[] Pairs { get; }
}
