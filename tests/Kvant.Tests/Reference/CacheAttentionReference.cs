using Kvant.Attention;
using Kvant.Caching;

namespace Kvant.Tests.Reference;

/// <summary>Attention over a cache in double precision, from the rows that it decodes to: softmax, nothing else.</summary>
internal static class CacheAttentionReference
{
    /// <summary>A row that a query may look at.</summary>
    internal readonly record struct Row(int Position, float[] Key, float[] Value);

    /// <summary>The living rows of a head, as the cache decodes them.</summary>
    public static List<Row> Rows(KvCache cache, int layer, int head)
    {
        int[] positions = new int[cache.LiveTokens(layer)];
        cache.CopyPositions(layer, positions);
        return [.. positions.Select(p =>
        {
            float[] key = new float[cache.Geometry.KeyDimension], value = new float[cache.Geometry.ValueDimension];
            cache.Decode(layer, head, p, 1, key, value);
            return new Row(p, key, value);
        })];
    }

    /// <summary>Output and log-sum-exp of one query.</summary>
    public static (double[] Output, double LogSumExp) Attend(
        IReadOnlyList<Row> rows, ReadOnlySpan<float> query, int position, int queryHead, AttentionSettings settings, int valueDimension)
    {
        double[] output = new double[valueDimension];
        double[] logits = Logits(rows, query, position, queryHead, settings);
        double largest = logits.DefaultIfEmpty(double.NegativeInfinity).Max();
        if (double.IsNegativeInfinity(largest))
            return (output, double.NegativeInfinity);
        double sum = logits.Sum(l => Math.Exp(l - largest));
        for (int r = 0; r < logits.Length; r++)
        {
            double weight = Math.Exp(logits[r] - largest) / sum;
            for (int c = 0; c < valueDimension; c++)
                output[c] += weight * rows[r].Value[c];
        }

        return (output, largest + Math.Log(sum));
    }

    /// <summary>The logits of one query, minus infinity where it does not see.</summary>
    public static double[] Logits(IReadOnlyList<Row> rows, ReadOnlySpan<float> query, int position, int queryHead, AttentionSettings settings)
    {
        double scale = (settings.Scale ?? (1 / Math.Sqrt(query.Length))) / settings.Temperature;
        double[] logits = new double[rows.Count];
        for (int r = 0; r < logits.Length; r++)
        {
            int back = position - rows[r].Position;
            double x = Measure.Dot(query, rows[r].Key) * scale;
            if (settings.SoftCap > 0)
                x = settings.SoftCap * Math.Tanh(x / settings.SoftCap);
            x -= (settings.Slopes?[queryHead] ?? 0) * back;
            logits[r] = back < 0 || (settings.SlidingWindow > 0 && back >= settings.SlidingWindow) ? double.NegativeInfinity : x;
        }

        return logits;
    }
}
