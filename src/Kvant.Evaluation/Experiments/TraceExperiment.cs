using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Sources;

namespace Kvant.Evaluation.Experiments;

/// <summary>
/// Encodes and decodes the keys and values of a trace with each pair of codecs and compares what the model would read:
/// sizes, errors of the numbers and, where the trace has queries, causal attention (query t sees tokens 0 to t, all of them
/// decoded) against the exact one.
/// </summary>
/// <example><code>
/// TraceReport report = new TraceExperiment { Source = trace, Pairs = DefaultCodecs.Pairs }.Run();
/// </code></example>
internal sealed record TraceExperiment
{
    /// <summary>The trace.</summary>
    public required ITraceSource Source { get; init; }

    /// <summary>What to compare, such as <see cref="DefaultCodecs.Pairs"/>. A codec that stands in several pairs is computed once.</summary>
    public required IReadOnlyList<LayerSpecs> Pairs { get; init; }

    /// <summary>Policies to compare besides, of the trace's number of layers.</summary>
    public IReadOnlyList<NamedPolicy> Policies { get; init; } = [];

    /// <summary>Heads that are worked on at a time, each by a thread of its own. The results do not depend on it.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>How specs become codecs: tests put in broken ones.</summary>
    internal Func<CodecSpec, int, CodecRole, Codec> CreateCodec { get; init; } = (spec, dimension, role) => spec.CreateCodec(dimension, role);

    /// <summary>Runs everything.</summary>
    /// <param name="progress">Told now and then which share of the run is done, from any of the threads; or null.</param>
    /// <param name="cancellation">Stops the run.</param>
    /// <exception cref="ArgumentException">There are no pairs, a policy has another number of layers, a codec does not take the dimension, or a number of the trace does not fit a codec.</exception>
    /// <exception cref="OperationCanceledException">The run was stopped.</exception>
    public TraceReport Run(IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(Source);
        ArgumentNullException.ThrowIfNull(Pairs);
        ArgumentOutOfRangeException.ThrowIfLessThan(Threads, 1);
        ArgumentNullException.ThrowIfNull(Policies);
        Contestant[] contestants = Contestant.All(Pairs, Policies, Source.Layers);
        if (contestants.Length == 0)
            throw new ArgumentException("There are no pairs of codecs; at least one is wanted.");
        cancellation.ThrowIfCancellationRequested();
        var plan = new TracePlan(Source, contestants, CreateCodec);
        var meter = new ShareMeter(progress, plan.Steps, cancellation);
        var heads = new HeadResult[Source.Layers][];
        for (int layer = 0; layer < heads.Length; layer++)
            heads[layer] = new HeadResult[Source.KvHeads];
        OneError.For(Source.Layers * Source.KvHeads, Threads, i =>
        {
            (int layer, int head) = Math.DivRem(i, Source.KvHeads);
            heads[layer][head] = new HeadExperiment(plan, meter).Run(layer, head);
        }, cancellation);
        return new TraceReport
        {
            Trace = TraceInfo.Of(Source),
            Results = [.. Enumerable.Range(0, contestants.Length).Select(i => plan.Summarize(i, heads))],
        };
    }
}
