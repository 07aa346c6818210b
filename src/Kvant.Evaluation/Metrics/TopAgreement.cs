namespace Kvant.Evaluation.Metrics;

/// <summary>The share of queries whose largest attention weight stays on the same token.</summary>
internal sealed class TopAgreement
{
    private long _same, _queries;

    /// <summary>The share so far; 1 before the first query.</summary>
    public double Value => _queries == 0 ? 1 : (double)_same / _queries;

    /// <summary>Adds one query.</summary>
    /// <param name="exact">The exact softmax.</param>
    /// <param name="decoded">The softmax over decoded keys.</param>
    public void Add(SoftmaxRow exact, SoftmaxRow decoded)
    {
        SameLength.Require(exact.Length, decoded.Length);
        _queries++;
        _same += exact.Top == decoded.Top ? 1 : 0;
    }

    /// <summary>Adds what another instance saw.</summary>
    /// <param name="other">It stays as it is.</param>
    public void Add(TopAgreement other)
    {
        _queries += other._queries;
        _same += other._same;
    }
}
