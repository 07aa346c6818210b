using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Metrics;
using Kvant.Evaluation.Sources;

namespace Kvant.Evaluation.Experiments;

/// <summary>Which codecs have to run for a list of pairs, each once, and how the heads' results become the result of a pair.</summary>
internal sealed class TracePlan
{
    /// <summary>Queries between two reports of progress.</summary>
    public const int QueriesPerStep = 32;

    private readonly CodecPair[] _pairs;

    public TracePlan(ITraceSource source, IReadOnlyList<CodecPair> pairs, Func<CodecSpec, int, CodecRole, Codec> create)
    {
        Source = source;
        if (source.HasQueries && (source.QueryHeads < 1 || source.QueryHeads % source.KvHeads != 0))
            throw new ArgumentException($"The trace has {source.QueryHeads} query heads; a multiple of its {source.KvHeads} key-value heads is wanted.");
        _pairs = [.. pairs];
        CodecSpec[] keys = [.. pairs.Select(p => p.Keys).Distinct()], values = [.. pairs.Select(p => p.Values).Distinct()];
        Keys = [.. keys.Select(s => create(s, source.KeyDimension, CodecRole.Keys))];
        Values = [.. values.Select(s => create(s, source.ValueDimension, CodecRole.Values))];
        Pairs = [.. pairs.Select(p => (Array.IndexOf(keys, p.Keys), Array.IndexOf(values, p.Values)))];
    }

    public ITraceSource Source { get; }

    public Codec[] Keys { get; }

    public Codec[] Values { get; }

    /// <summary>Each pair's place in <see cref="Keys"/> and in <see cref="Values"/>.</summary>
    public (int Key, int Value)[] Pairs { get; }

    public int QueryHeadsPerKvHead => Source.HasQueries ? Source.QueryHeads / Source.KvHeads : 0;

    public long StepsPerHead =>
        Keys.Length + Values.Length + ((long)QueryHeadsPerKvHead * ((Source.Tokens + QueriesPerStep - 1) / QueriesPerStep));

    public PairResult Summarize(int pair, HeadResult[][] heads)
    {
        (int key, int value) = Pairs[pair];
        HeadResult[] all = [.. heads.SelectMany(layer => layer)];
        long bytes = all.Sum(h => h.Keys[key].Bytes + h.Values[value].Bytes);
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
            Keys = _pairs[pair].Keys.FullText,
            Values = _pairs[pair].Values.FullText,
            BytesPerToken = bytesPerToken,
            BitsPerValue = 16 / ratio,
            Ratio = ratio,
            KeyNmse = Error(all.Select(h => h.Keys[key].Error)),
            ValueNmse = Error(all.Select(h => h.Values[value].Error)),
            Layers = [.. heads.Select(layer => new LayerResult(
                Error(layer.Select(h => h.Keys[key].Error)),
                Error(layer.Select(h => h.Values[value].Error)),
                Source.HasQueries ? Divergence(layer, key) : null))],
        };
        if (!Source.HasQueries)
            return result;

        var logits = new LogitError();
        var top = new TopAgreement();
        foreach (HeadResult head in all)
        {
            logits.Add(head.Attention[key].Logits);
            top.Add(head.Attention[key].Top);
        }

        return result with
        {
            LogitRmse = logits.Value,
            AttentionKl = Divergence(all, key),
            Top1 = top.Value,
            OutputError = Error(all.Select(h => h.Outputs[pair])),
        };
    }

    private static double Error(IEnumerable<NormalizedError> parts)
    {
        var sum = new NormalizedError();
        foreach (NormalizedError part in parts)
            sum.Add(part);
        return sum.Value;
    }

    private static Distribution Divergence(IEnumerable<HeadResult> heads, int key)
    {
        var sum = new AttentionDivergence();
        foreach (HeadResult head in heads)
            sum.Add(head.Attention[key].Divergence);
        return sum.Summarize();
    }
}
