using Kvant.Attention;
using Kvant.Caching;
using Kvant.Evaluation.Metrics;
using Kvant.Models.Decoding;

namespace Kvant.Evaluation.LanguageModels;

/// <summary>Attention over the exact cache that shows the same queries, keys and values to other caches and compares what they answer.</summary>
internal sealed class ComparingAttention : IAttention, IDisposable
{
    private readonly KvCache[] _caches;
    private readonly CompressedAttention[] _attentions;
    private readonly NormalizedError[][] _errors;
    private readonly KeyMean[] _keyMeans;
    private readonly ParallelOptions _threads;

    public ComparingAttention(KvCacheOptions exact, KvCacheOptions[] others, int threads, float? scale = null)
    {
        _caches = [.. others.Prepend(exact).Select(o => new KvCache(o))];
        _attentions = [.. _caches.Select(c => new CompressedAttention(c, new AttentionSettings { Scale = scale }) { TokenByToken = true })];
        _errors = [.. others.Select(_ => NewPerLayer<NormalizedError>(exact.Geometry.Layers))];
        _keyMeans = [.. Enumerable.Range(0, exact.Geometry.Layers).Select(_ => new KeyMean(exact.Geometry.KvHeads, exact.Geometry.KeyDimension))];
        _threads = new ParallelOptions { MaxDegreeOfParallelism = threads };
    }

    public IReadOnlyList<double> KeyMeanShares => [.. _keyMeans.Select(m => m.Share)];

    public IReadOnlyList<double> Errors(int other) => [.. _errors[other].Select(e => e.Value)];

    public int Length => _attentions[0].Length;

    public long Changes => _attentions[0].Changes;

    public void Require(LanguageModel model) => _attentions[0].Require(model);

    public void Attend(int layer, ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, Span<float> outputs)
    {
        _keyMeans[layer].Add(keys);
        _attentions[0].Attend(layer, queries, keys, values, outputs);
        float[] q = queries.ToArray(), k = keys.ToArray(), v = values.ToArray(), exact = outputs.ToArray();
        Parallel.For(0, _errors.Length, _threads, i =>
        {
            float[] answer = new float[exact.Length];
            _attentions[i + 1].Attend(layer, q, k, v, answer);
            _errors[i][layer].Add(exact, answer);
        });
    }

    /// <summary>Empties the caches; the errors so far stay.</summary>
    public void Restart()
    {
        foreach (KvCache cache in _caches)
            cache.Clear();
    }

    public void Dispose()
    {
        foreach (CompressedAttention attention in _attentions)
            attention.Dispose();
        foreach (KvCache cache in _caches)
            cache.Dispose();
    }

    private static T[] NewPerLayer<T>(int layers)
        where T : new() => [.. Enumerable.Range(0, layers).Select(_ => new T())];
}
