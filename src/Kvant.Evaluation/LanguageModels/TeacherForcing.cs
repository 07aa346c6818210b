using Kvant.Caching;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Metrics;

namespace Kvant.Evaluation.LanguageModels;

/// <summary>
/// Reads every chunk with the exact cache and with all others, side by side, a few tokens at a time, so that logits of a few tokens are
/// all that is ever held. Chunks go to threads.
/// </summary>
internal sealed class TeacherForcing(ModelPlan plan, ShareMeter meter)
{
    private readonly TokenComparison[][][] _comparisons = [.. plan.Readings.Select(_ => new TokenComparison[plan.Chunks.Length][])];
    private readonly CacheStatistics[] _caches = new CacheStatistics[plan.Readings.Count];
    private readonly Dictionary<CodecPair, TokenLoss> _losses = [];

    public double ExactPerplexity { get; private set; }

    public static long Steps(ModelPlan plan) => (long)plan.Chunks.Length * plan.Context * (plan.Readings.Count + 1);

    public TokenLoss Loss(CodecPair pair) => _losses[pair];

    public CacheStatistics Cache(CodecPair pair) => _caches[plan.Readings.ToList().IndexOf(pair)];

    public TeacherForcing Run()
    {
        var options = new ParallelOptions { MaxDegreeOfParallelism = plan.Experiment.Threads, CancellationToken = meter.Cancellation };
        OneError.For(plan.Chunks.Length, options, () => new ChunkReaders(plan), Read);
        Parallel.For(0, plan.Readings.Count, options, i =>
        {
            TokenLoss loss = TokenLoss.Of(new TokenComparisons(_comparisons[i]));
            lock (_losses)
                _losses[plan.Readings[i]] = loss;
        });
        ExactPerplexity = Math.Exp(-_comparisons[0].SelectMany(c => c).Average(t => t.ExactLogProbability));
        return this;
    }

    private void Read(int chunk, ChunkReaders readers)
    {
        readers.Restart();
        for (int i = 0; i < _comparisons.Length; i++)
            _comparisons[i][chunk] = new TokenComparison[plan.Context];
        (ReadOnlyMemory<int> inputs, ReadOnlyMemory<int> targets) = plan.Chunks[chunk];
        for (int first = 0; first < plan.Context; first += plan.Batch)
        {
            int count = Math.Min(plan.Batch, plan.Context - first);
            ReadOnlySpan<int> input = inputs.Span.Slice(first, count), target = targets.Span.Slice(first, count);
            readers.ReadExact(input);
            meter.Step(count);
            for (int i = 0; i < _comparisons.Length; i++)
            {
                readers.Compare(i, input, target, _comparisons[i][chunk].AsSpan(first, count));
                meter.Step(count);
            }
        }

        if (chunk == 0)
            readers.CopyStatistics(_caches);
    }
}
