using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Metrics;
using Kvant.Evaluation.Sources;
using Kvant.Models.Decoding;

namespace Kvant.Evaluation.LanguageModels;

/// <summary>What one thread needs to read chunks: a model with the exact cache, or another engine's logits, and a model with each other kind of cache, all at the same token.</summary>
internal sealed class ChunkReaders : IDisposable
{
    private readonly Reader? _exact;
    private readonly LogitsFile? _against;
    private readonly Reader[] _others;
    private readonly float[] _logits;
    private readonly SoftmaxRow[] _exactRows;
    private readonly SoftmaxRow _row;
    private readonly int _vocabulary;

    public ChunkReaders(LanguageModel model, IReadOnlyList<KvCacheOptions> caches, int batch, Arithmetic arithmetic, LogitsFile? against)
    {
        _vocabulary = model.VocabularySize;
        CodecSpec exact = ModelExperiment.Exact;
        _against = against;
        if (against is null)
            _exact = Open(caches[0] with { Policy = LayerPolicy.Uniform(model.Config.Layers, exact, exact) }, Arithmetic.Exact);
        _others = [.. caches.Select(c => Open(c, arithmetic))];
        _logits = new float[batch * _vocabulary];
        _exactRows = [.. Enumerable.Range(0, batch).Select(_ => new SoftmaxRow(_vocabulary))];
        _row = new SoftmaxRow(_vocabulary);

        Reader Open(KvCacheOptions options, Arithmetic arithmetic) => new(model, options, batch, threads: 1, tokenByToken: true, arithmetic);
    }

    public void Restart()
    {
        _exact?.Restart();
        foreach (Reader reader in _others)
            reader.Restart();
    }

    public void ReadExact(int chunk, int first, ReadOnlySpan<int> inputs)
    {
        Memory<float> logits = _logits.AsMemory(0, inputs.Length * _vocabulary);
        _against?.Read(chunk, first, logits.Span);
        _exact?.Decoder.ForwardEach(inputs, logits);
        for (int i = 0; i < inputs.Length; i++)
            _exactRows[i].Set(logits.Span.Slice(i * _vocabulary, _vocabulary), 1);
    }

    public void Compare(int reader, ReadOnlySpan<int> inputs, ReadOnlySpan<int> targets, Span<TokenComparison> comparisons)
    {
        Memory<float> logits = _logits.AsMemory(0, inputs.Length * _vocabulary);
        _others[reader].Decoder.ForwardEach(inputs, logits);
        for (int i = 0; i < inputs.Length; i++)
        {
            _row.Set(logits.Span.Slice(i * _vocabulary, _vocabulary), 1);
            comparisons[i] = TokenComparison.Of(_exactRows[i], _row, targets[i]);
        }
    }

    public void CopyStatistics(CacheStatistics[] statistics)
    {
        for (int i = 0; i < statistics.Length; i++)
            statistics[i] = _others[i].Cache.Statistics;
    }

    public void Dispose()
    {
        _exact?.Dispose();
        foreach (Reader reader in _others)
            reader.Dispose();
    }
}
