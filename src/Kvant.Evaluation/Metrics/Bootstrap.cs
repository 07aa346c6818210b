using Kvant.Numerics;

namespace Kvant.Evaluation.Metrics;

/// <summary>
/// Standard errors by bootstrap (Efron, 1979): chunks of a text are drawn with replacement, as many as there are, and the spread of a
/// metric over such resamples is its standard error. Whole chunks are drawn, because tokens of one chunk are not independent; all metrics see the
/// same resamples.
/// </summary>
internal sealed class Bootstrap
{
    public const int Resamples = 200;

    private const ulong Seed = 1979;

    private readonly int[] _once;
    private readonly int[][] _resamples;

    public Bootstrap(int chunks)
    {
        var random = new SeededRandom(Seed);
        _once = [.. Enumerable.Repeat(1, chunks)];
        _resamples = new int[chunks > 1 ? Resamples : 0][];
        for (int i = 0; i < _resamples.Length; i++)
        {
            _resamples[i] = new int[chunks];
            for (int draw = 0; draw < chunks; draw++)
                _resamples[i][(int)(random.NextDouble() * chunks)]++;
        }
    }

    /// <summary>A metric of the text as it is, with its standard error.</summary>
    /// <param name="metric">Takes how often each chunk counts.</param>
    public Estimate Estimate(Func<int[], double> metric)
    {
        if (_resamples.Length == 0)
            return new Estimate(metric(_once), null);
        double[] values = Array.ConvertAll(_resamples, r => metric(r));
        double mean = values.Average(), spread = Math.Sqrt(values.Sum(v => (v - mean) * (v - mean)) / (values.Length - 1));
        return new Estimate(metric(_once), spread);
    }
}
