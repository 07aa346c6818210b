using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Metrics;
using Kvant.Evaluation.Sources;
using Kvant.Models.Decoding;

namespace Kvant.Evaluation.LanguageModels;

/// <summary>
/// Reads every chunk with the exact cache (or takes another engine's logits) and with all others, side by side, a few tokens at a time, so that logits of a few tokens are
/// all that is ever held. Chunks go to threads.
/// </summary>
internal sealed class TeacherForcing(LanguageModel model, TextChunk[] chunks, IReadOnlyList<KvCacheOptions> caches, Arithmetic arithmetic = Arithmetic.Exact, LogitsFile? against = null)
{
    // Their logits and probabilities are held: 20 bytes for each token of the vocabulary.
    private const int LogitsHeld = 4_000_000;

    private readonly TokenComparison[][][] _comparisons = [.. caches.Select(_ => new TokenComparison[chunks.Length][])];

    /// <summary>Tokens that go through a layer together; what each sees of a cache does not depend on it.</summary>
    public int Batch { get; } = BatchFor(model);

    /// <summary>What each cache changed.</summary>
    public TokenLoss[] Losses { get; } = new TokenLoss[caches.Count];

    /// <summary>What each cache held after the first chunk.</summary>
    public CacheStatistics[] Statistics { get; } = new CacheStatistics[caches.Count];

    /// <summary>Perplexity with the exact cache.</summary>
    public double ExactPerplexity { get; private set; }

    /// <summary>Tokens that are read, all caches together.</summary>
    public long Steps => (long)chunks.Sum(c => c.Inputs.Length) * (caches.Count + 1);

    public static int BatchFor(LanguageModel model) => Math.Clamp(LogitsHeld / model.VocabularySize, 16, 64);

    public void Run(int threads, ShareMeter meter)
    {
        OneError.For(chunks.Length, threads, () => new ChunkReaders(model, caches, Batch, arithmetic, against), (chunk, readers) => Read(chunk, readers, meter), meter.Cancellation);
        OneError.For(caches.Count, threads, i => Losses[i] = TokenLoss.Of(new TokenComparisons(_comparisons[i])), meter.Cancellation);
        ExactPerplexity = Math.Exp(-_comparisons[0].SelectMany(c => c).Average(t => t.ExactLogProbability));
    }

    private void Read(int chunk, ChunkReaders readers, ShareMeter meter)
    {
        readers.Restart();
        (ReadOnlyMemory<int> inputs, ReadOnlyMemory<int> targets) = chunks[chunk];
        for (int i = 0; i < caches.Count; i++)
            _comparisons[i][chunk] = new TokenComparison[inputs.Length];
        for (int first = 0; first < inputs.Length; first += Batch)
        {
            int count = Math.Min(Batch, inputs.Length - first);
            ReadOnlySpan<int> input = inputs.Span.Slice(first, count), target = targets.Span.Slice(first, count);
            readers.ReadExact(chunk, first, input);
            meter.Step(count);
            for (int i = 0; i < caches.Count; i++)
            {
                readers.Compare(i, input, target, _comparisons[i][chunk].AsSpan(first, count));
                meter.Step(count);
            }
        }

        if (chunk == 0)
            readers.CopyStatistics(Statistics);
    }
}
