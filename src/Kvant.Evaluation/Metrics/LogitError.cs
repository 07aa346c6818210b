namespace Kvant.Evaluation.Metrics;

/// <summary>The root mean square error of attention logits, after the softmax scale and before the softmax.</summary>
internal sealed class LogitError
{
    private double _error;
    private long _count;

    /// <summary>The root mean square so far.</summary>
    public double Value => _count == 0 ? 0 : Math.Sqrt(_error / _count);

    /// <summary>Adds the logits of one query.</summary>
    /// <param name="exact">From the exact keys.</param>
    /// <param name="decoded">From the decoded keys; as many.</param>
    public void Add(ReadOnlySpan<double> exact, ReadOnlySpan<double> decoded)
    {
        SameLength.Require(exact.Length, decoded.Length);
        for (int i = 0; i < exact.Length; i++)
            _error += (decoded[i] - exact[i]) * (decoded[i] - exact[i]);
        _count += exact.Length;
    }

    /// <summary>Adds what another instance saw.</summary>
    /// <param name="other">It stays as it is.</param>
    public void Add(LogitError other)
    {
        _error += other._error;
        _count += other._count;
    }
}
