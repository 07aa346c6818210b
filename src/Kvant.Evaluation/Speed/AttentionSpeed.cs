using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Sources;

namespace Kvant.Evaluation.Speed;

/// <summary>
/// How fast one decode step of one layer is with each codec, beside plain attention over 32-bit floats and beside a bare read of as many bytes:
/// all of them in turn in one process, every answer checked before it counts.
/// </summary>
internal sealed record AttentionSpeed
{
    /// <summary>The name under which plain attention over uncompressed rows is reported.</summary>
    public const string Baseline = "plain fp32";

    /// <summary>Codecs to compare.</summary>
    public required IReadOnlyList<LayerSpecs> Pairs { get; init; }

    /// <summary>Policies of one layer to compare besides, such as presets.</summary>
    public IReadOnlyList<NamedPolicy> Policies { get; init; } = [];

    /// <summary>Numbers in a key and in a value.</summary>
    public int Dimension { get; init; } = 128;

    /// <summary>Key-value heads of the layer.</summary>
    public int KvHeads { get; init; } = 8;

    /// <summary>Query heads that share a key-value head.</summary>
    public int Group { get; init; } = 4;

    /// <summary>Cached tokens; one comparison for each number.</summary>
    public IReadOnlyList<int> Tokens { get; init; } = [1024, 8192];

    /// <summary>Threads that work on a step.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>Whether every step takes another layer, as a model does, instead of the same again.</summary>
    public bool Cold { get; init; }

    /// <summary>Newest tokens in 16-bit floats.</summary>
    public int Window { get; init; } = KvCacheOptions.DefaultWindow;

    /// <summary>First tokens in 16-bit floats.</summary>
    public int Sinks { get; init; } = KvCacheOptions.DefaultSinks;

    /// <summary>Floats, or the integers of fast kernels.</summary>
    public Arithmetic Arithmetic { get; init; } = Arithmetic.Fast;

    /// <summary>What does the steps over codecs, and stays the caller's; null for the processor. The baseline is the processor's in any case.</summary>
    public IAttentionSteps? Steps { get; init; }

    /// <summary>How long each codec is measured at each number of tokens.</summary>
    public TimeSpan Time { get; init; } = TimeSpan.FromSeconds(1);

    // Layers that cold steps walk through hold as much as this in all: far more than the caches of most processors.
    internal long ColdBytes { get; init; } = 384L << 20;

    // Layers of all contenders that are timed together.
    internal long MostBytes { get; init; } = 6L << 30;

    private CacheGeometry Geometry => new() { Layers = 1, KvHeads = KvHeads, QueryHeads = KvHeads * Group, KeyDimension = Dimension, ValueDimension = Dimension, Rotary = new() };

    /// <summary>Measures.</summary>
    /// <param name="progress">Is told which share is done.</param>
    /// <param name="cancellation">Ends the run early.</param>
    /// <returns>For each number of tokens the baseline and then the codecs in their order.</returns>
    /// <exception cref="ArgumentException">A codec does not take the dimension, or a policy has more layers than one.</exception>
    /// <exception cref="InvalidOperationException">An answer is wrong.</exception>
    public IReadOnlyList<AttentionSpeedResult> Run(Action<double>? progress = null, CancellationToken cancellation = default)
    {
        var results = new List<AttentionSpeedResult>();
        Contestant[] contestants = Contestant.All(Pairs, Policies, layers: 1);
        // One team for all: the threads of a second one would look for work of their own while the first is timed.
        using var team = new WorkerTeam(Threads);
        var plain = new PlainAttention(Geometry, team);
        using IAttentionSteps? own = Steps is null ? new ProcessorSteps(Geometry, new AttentionSettings { Arithmetic = Arithmetic }, team) : null;
        IAttentionSteps attention = Steps ?? own!;
        float[] queries = RandomVectors.Normal(KvHeads * Group, Dimension, seed: 1, stream: 1);
        double done = 0, all = Tokens.Count * Math.Max(1, contestants.Length);
        foreach (int tokens in Tokens)
        {
            using var rows = new PlainRows(Geometry, tokens);
            rows.Randomize(seed: 2);
            using var answers = new AttentionAnswers(Geometry, rows, plain, queries);
            foreach (Contestant[] group in Groups(contestants, tokens))
            {
                int count = Math.Max(1, group.Length);
                var run = new AttentionSpeedRun(this, rows, queries, plain, attention, answers, team);
                IReadOnlyList<AttentionSpeedResult> found = run.Measure(group, share => progress?.Invoke((done + (share * count)) / all), cancellation);
                results.AddRange(results.Count > 0 && results[^1].Tokens == tokens ? found.Skip(1) : found);
                done += count;
            }
        }

        return results;
    }

    internal KvCacheOptions Options(LayerPolicy policy) => new() { Geometry = Geometry, Policy = policy, Window = Window, Sinks = Sinks };

    /// <summary>How many layers of a size a step walks through.</summary>
    internal int Places(long layerBytes) => Cold ? (int)((ColdBytes + layerBytes - 1) / layerBytes) : 1;

    // The baseline is in every group.
    private IEnumerable<Contestant[]> Groups(Contestant[] contestants, int tokens)
    {
        long plainLayer = 2L * 4 * tokens * KvHeads * Dimension, room = MostBytes - (plainLayer * (Places(plainLayer) + 1)), taken = 0;
        List<Contestant> group = [];
        foreach (Contestant contestant in contestants)
        {
            long layer = CachePlan.For(Options(contestant.Layers), tokens).TotalBytes, bytes = layer * Places(layer);
            if (group.Count > 0 && taken + bytes > room)
            {
                yield return [.. group];
                group.Clear();
                taken = 0;
            }

            group.Add(contestant);
            taken += bytes;
        }

        yield return [.. group];
    }
}
