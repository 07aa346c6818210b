using System.Runtime.InteropServices;

namespace Kvant.Evaluation.Metrics;

/// <summary>
/// How far the attention of decoded keys is from the exact one: the Kullback-Leibler divergence KL(exact | decoded) of each
/// query's softmax weights, in nats. It judges what the model reads, and, unlike an error of numbers, it sees that a vector
/// added to all keys changes nothing.
/// </summary>
internal sealed class AttentionDivergence
{
    private readonly List<double> _samples = [];

    /// <summary>The divergence of every query so far.</summary>
    public ReadOnlySpan<double> Samples => CollectionsMarshal.AsSpan(_samples);

    /// <summary>Mean, median and 99th percentile over the queries so far.</summary>
    public Distribution Summarize() => Distribution.Of(Samples);

    /// <summary>Adds one query.</summary>
    /// <param name="exact">The exact softmax.</param>
    /// <param name="decoded">The softmax over decoded keys, the same tokens.</param>
    public void Add(SoftmaxRow exact, SoftmaxRow decoded)
    {
        _samples.Add(exact.DivergenceOf(decoded));
    }

    /// <summary>Adds what another instance saw.</summary>
    /// <param name="other">It stays as it is.</param>
    public void Add(AttentionDivergence other) => _samples.AddRange(other._samples);
}
