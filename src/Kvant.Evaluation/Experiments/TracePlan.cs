using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Metrics;
using Kvant.Evaluation.Sources;

namespace Kvant.Evaluation.Experiments;

/// <summary>Which codecs have to run in each layer, each once, and how the heads' results become the result of a contestant.</summary>
internal sealed class TracePlan
{
    /// <summary>Queries between two reports of progress.</summary>
    public const int QueriesPerStep = 32;

    private readonly Contestant[] _contestants;

    public TracePlan(ITraceSource source, Contestant[] contestants, Func<CodecSpec, int, CodecRole, Codec> create)
    {
        (Source, _contestants) = (source, contestants);
        if (source.HasQueries && (source.QueryHeads < 1 || source.QueryHeads % source.KvHeads != 0))
            throw new ArgumentException($"The trace has {source.QueryHeads} query heads; a multiple of its {source.KvHeads} key-value heads is wanted.");
        Layers = [.. Enumerable.Range(0, source.Layers).Select(layer => new TraceLayerPlan([.. contestants.Select(c => c.Layers[layer])], source, create))];
    }

    public ITraceSource Source { get; }

    /// <summary>What has to run in each layer.</summary>
    public TraceLayerPlan[] Layers { get; }

    public int QueryHeadsPerKvHead => Source.HasQueries ? Source.QueryHeads / Source.KvHeads : 0;

    public long Steps => Layers.Sum(layer => Source.KvHeads *
        (layer.Keys.Length + layer.Values.Length + ((long)QueryHeadsPerKvHead * ((Source.Tokens + QueriesPerStep - 1) / QueriesPerStep))));

    public PairResult Summarize(int contestant, HeadResult[][] heads)
    {
        PairParts[][] layers = [.. heads.Select((layer, i) => layer.Select(head => head.Of(contestant, Layers[i])).ToArray())];
        PairParts[] all = [.. layers.SelectMany(layer => layer)];
        long bytes = all.Sum(h => h.Keys.Bytes + h.Values.Bytes);
        var geometry = new CacheGeometry
        {
            Layers = Source.Layers,
            KvHeads = Source.KvHeads,
            KeyDimension = Source.KeyDimension,
            ValueDimension = Source.ValueDimension,
        };
        double bytesPerToken = (double)bytes / Source.Tokens, ratio = geometry.Fp16BytesPerToken / bytesPerToken;
        var result = new PairResult
        {
            Policy = _contestants[contestant].Policy,
            Keys = _contestants[contestant].Text(l => l.Keys.FullText),
            Values = _contestants[contestant].Text(l => l.Values.FullText),
            BytesPerToken = bytesPerToken,
            BitsPerValue = 16 / ratio,
            Ratio = ratio,
            KeyNmse = Error(all.Select(h => h.Keys.Error)),
            ValueNmse = Error(all.Select(h => h.Values.Error)),
            Layers = [.. layers.Select(layer => new LayerResult(
                Error(layer.Select(h => h.Keys.Error)),
                Error(layer.Select(h => h.Values.Error)),
                Source.HasQueries ? Divergence(layer) : null))],
        };
        if (!Source.HasQueries)
            return result;

        var logits = new LogitError();
        var top = new TopAgreement();
        foreach (PairParts head in all)
        {
            logits.Add(head.Attention.Logits);
            top.Add(head.Attention.Top);
        }

        return result with
        {
            LogitRmse = logits.Value,
            AttentionKl = Divergence(all),
            Top1 = top.Value,
            OutputError = Error(all.Select(h => h.Output)),
        };
    }

    private static double Error(IEnumerable<NormalizedError> parts)
    {
        var sum = new NormalizedError();
        foreach (NormalizedError part in parts)
            sum.Add(part);
        return sum.Value;
    }

    private static Distribution Divergence(IEnumerable<PairParts> heads)
    {
        var sum = new AttentionDivergence();
        foreach (PairParts head in heads)
            sum.Add(head.Attention.Divergence);
        return sum.Summarize();
    }
}
