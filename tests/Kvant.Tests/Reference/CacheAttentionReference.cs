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
        List<Row> rows = [];
        // Positions are in one or two stretches without gaps: the sinks, and what is not evicted.
        for (int first = 0; first < positions.Length;)
        {
            int end = first + 1;
            while (end < positions.Length && positions[end] == positions[end - 1] + 1)
                end++;
            int count = end - first, k = cache.Geometry[layer].KeyDimension, v = cache.Geometry[layer].ValueDimension;
            float[] keys = new float[count * k], values = new float[count * v];
            cache.Decode(layer, head, positions[first], count, keys, values);
            for (int i = 0; i < count; i++)
                rows.Add(new(positions[first + i], keys[(i * k)..((i + 1) * k)], values[(i * v)..((i + 1) * v)]));
            first = end;
        }

        return rows;
    }

    /// <summary>Output and log-sum-exp of one query.</summary>
    public static (double[] Output, double LogSumExp) Attend(
        IReadOnlyList<Row> rows, ReadOnlySpan<float> query, int position, int queryHead, AttentionSettings settings, int valueDimension, int slidingWindow = 0)
    {
        double[] output = new double[valueDimension];
        double[] logits = Logits(rows, query, position, queryHead, settings, slidingWindow);
        double sink = settings.SinkLogits?[queryHead] ?? double.NegativeInfinity;
        double largest = logits.Append(sink).Max();
        if (double.IsNegativeInfinity(largest))
            return (output, double.NegativeInfinity);
        double sum = logits.Append(sink).Sum(l => Math.Exp(l - largest));
        for (int r = 0; r < logits.Length; r++)
        {
            double weight = Math.Exp(logits[r] - largest) / sum;
            for (int c = 0; c < valueDimension; c++)
                output[c] += weight * rows[r].Value[c];
        }

        return (output, largest + Math.Log(sum));
    }

    /// <summary>The logits of one query, minus infinity where it does not see.</summary>
    public static double[] Logits(IReadOnlyList<Row> rows, ReadOnlySpan<float> query, int position, int queryHead, AttentionSettings settings, int slidingWindow = 0)
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
            logits[r] = back < 0 || (slidingWindow > 0 && back >= slidingWindow) ? double.NegativeInfinity : x;
        }

        return logits;
    }
}
