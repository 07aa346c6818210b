using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.LanguageModels;
using Kvant.Evaluation.Sources;

namespace Kvant.Evaluation.Speed;

/// <summary>How fast a prompt goes through the attention of one layer and into its cache, beside the same code without compression, in turn in one process.</summary>
internal sealed record PrefillSpeed
{
    /// <summary>Codecs to compare; <c>fp32</c> is measured beside them.</summary>
    public required IReadOnlyList<LayerSpecs> Pairs { get; init; }

    /// <summary>Policies of one layer to compare besides, such as presets.</summary>
    public IReadOnlyList<NamedPolicy> Policies { get; init; } = [];

    /// <summary>Numbers in a key and in a value.</summary>
    public int Dimension { get; init; } = 128;

    /// <summary>Key-value heads of the layer.</summary>
    public int KvHeads { get; init; } = 8;

    /// <summary>Query heads that share a key-value head.</summary>
    public int Group { get; init; } = 4;

    /// <summary>Tokens of the prompt.</summary>
    public int Tokens { get; init; } = 4096;

    /// <summary>Tokens that are taken at once: exact among themselves, compressed for those that come later.</summary>
    public int Chunk { get; init; } = 512;

    /// <summary>Threads that work on a chunk.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>How long each codec is measured; a codec takes at least four prompts.</summary>
    public TimeSpan Time { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Measures.</summary>
    /// <param name="progress">Is told which share is done.</param>
    /// <param name="cancellation">Ends the run early.</param>
    /// <returns><c>fp32</c>, then the codecs in their order.</returns>
    /// <exception cref="ArgumentException">A codec does not take the dimension, or a policy has more layers than one.</exception>
    /// <exception cref="InvalidOperationException">An answer is wrong.</exception>
    public IReadOnlyList<PrefillSpeedResult> Run(Action<double>? progress = null, CancellationToken cancellation = default)
    {
        var geometry = new CacheGeometry { Layers = 1, KvHeads = KvHeads, QueryHeads = KvHeads * Group, KeyDimension = Dimension, ValueDimension = Dimension, Rotary = new() };
        float[] keys = RandomVectors.Normal(Tokens, KvHeads * Dimension, seed: 1), values = RandomVectors.Normal(Tokens, KvHeads * Dimension, seed: 2);
        float[] queries = RandomVectors.Normal(Tokens, KvHeads * Group * Dimension, seed: 3), outputs = new float[queries.Length];
        using var attention = new CacheAttention(geometry, new AttentionSettings { Threads = Threads });
        using var exact = new CacheAttention(geometry, new AttentionSettings { Arithmetic = Arithmetic.Exact });
        Contestant[] contestants = Contestant.All([LayerSpecs.Both(ModelExperiment.Exact), .. Pairs], Policies, layers: 1);
        KvCache[] caches = [.. contestants.Select(c => new KvCache(new KvCacheOptions { Geometry = geometry, Policy = c.Layers }))];
        try
        {
            double[] errors = new double[contestants.Length];
            float[] wanted = [];
            for (int i = 0; i < contestants.Length; i++)
            {
                float[] inFloats = LastChunk(exact, caches[i]), timed = LastChunk(attention, caches[i]);
                wanted = i == 0 ? timed : wanted;
                AttentionAnswers.RequireRows(contestants[i].Name, caches[i], keys, values);
                errors[i] = AttentionAnswers.RequireTimed(contestants[i].Name, timed, inFloats, wanted);
            }

            double[] medians = new Rounds { Time = Time * contestants.Length, Progress = progress ?? (static _ => { }), Cancellation = cancellation }
                .Medians([.. caches.Select(cache => new Contender(_ => Prefill(attention, cache)))]);
            return [.. contestants.Select((contestant, i) => new PrefillSpeedResult
            {
                Codec = contestant.Name,
                Tokens = Tokens,
                Chunk = Math.Min(Chunk, Tokens),
                Threads = Threads,
                TokensPerSecond = 1e9 * Tokens / medians[i],
                RatioToFp32 = medians[0] / medians[i],
                OutputError = errors[i],
            })];
        }
        finally
        {
            Array.ForEach(caches, c => c.Dispose());
        }

        float[] LastChunk(CacheAttention attention, KvCache cache)
        {
            Prefill(attention, cache);
            return outputs[^((((Tokens - 1) % Chunk) + 1) * KvHeads * Group * Dimension)..];
        }

        void Prefill(CacheAttention attention, KvCache cache)
        {
            cache.Clear();
            int row = KvHeads * Dimension;
            for (int first = 0; first < Tokens; first += Chunk)
            {
                cancellation.ThrowIfCancellationRequested();
                int count = Math.Min(Chunk, Tokens - first);
                attention.Prefill(cache, 0, queries.AsSpan(first * row * Group, count * row * Group), keys.AsSpan(first * row, count * row), values.AsSpan(first * row, count * row), outputs.AsSpan(first * row * Group, count * row * Group));
            }
        }
    }
}
