namespace Kvant.Evaluation.Metrics;

/// <summary>
/// The mean cosine between rows and their decoded rows: 1 keeps every direction. It does not see lengths and saturates
/// early, so it is shown because others show it, and not to choose by.
/// </summary>
internal sealed class CosineSimilarity
{
    private double _sum;
    private long _rows;

    /// <summary>The mean over the rows so far; 1 before the first.</summary>
    public double Value => _rows == 0 ? 1 : _sum / _rows;

    /// <summary>Adds one row. Two zero rows count as 1, one zero row as 0.</summary>
    /// <param name="exact">What it is.</param>
    /// <param name="decoded">What came back; as many numbers.</param>
    public void Add(ReadOnlySpan<float> exact, ReadOnlySpan<float> decoded)
    {
        SameLength.Require(exact.Length, decoded.Length);
        double dot = 0, a = 0, b = 0;
        for (int i = 0; i < exact.Length; i++)
        {
            double x = exact[i], y = decoded[i];
            dot += x * y;
            a += x * x;
            b += y * y;
        }

        _rows++;
        _sum += a == 0 && b == 0 ? 1 : a == 0 || b == 0 ? 0 : dot / Math.Sqrt(a * b);
    }
}
