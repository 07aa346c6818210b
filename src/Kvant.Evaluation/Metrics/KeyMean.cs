namespace Kvant.Evaluation.Metrics;

/// <summary>
/// How much of the keys' energy is in the vector that they share, head by head: |mean|^2 over the mean of |key|^2. A code with one scale
/// for a row spends its levels on that vector; the softmax never sees it.
/// </summary>
internal sealed class KeyMean(int heads, int dimension)
{
    private readonly double[] _sums = new double[heads * dimension];
    private double _energy;
    private long _tokens;

    /// <summary>The share so far, all heads together: 0 to 1.</summary>
    public double Share => _energy == 0 ? 0 : _sums.Sum(s => s * s) / _tokens / _energy;

    /// <summary>Adds keys.</summary>
    /// <param name="keys">[token, head, number].</param>
    public void Add(ReadOnlySpan<float> keys)
    {
        _tokens += keys.Length / _sums.Length;
        for (int i = 0; i < keys.Length; i++)
        {
            _sums[i % _sums.Length] += keys[i];
            _energy += (double)keys[i] * keys[i];
        }
    }
}
