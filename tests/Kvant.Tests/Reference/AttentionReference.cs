namespace Kvant.Tests.Reference;

/// <summary>Causal attention of one head in double precision: softmax(q k / sqrt(d)) v over the rows up to the query's own position.</summary>
internal static class AttentionReference
{
    /// <summary>The outputs [token, dimension]; query i is the last of the keys' tokens minus the queries behind it.</summary>
    public static double[] Run(ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, int dimension)
    {
        int count = queries.Length / dimension, tokens = keys.Length / dimension;
        var outputs = new double[queries.Length];
        for (int q = 0; q < count; q++)
        {
            double[] weights = Weights(queries.Slice(q * dimension, dimension), keys[..((tokens - count + q + 1) * dimension)]);
            for (int t = 0; t < weights.Length; t++)
            {
                for (int c = 0; c < dimension; c++)
                    outputs[(q * dimension) + c] += weights[t] * values[(t * dimension) + c];
            }
        }

        return outputs;
    }

    /// <summary>The attention weights of one query over all the keys given.</summary>
    public static double[] Weights(ReadOnlySpan<float> query, ReadOnlySpan<float> keys)
    {
        int dimension = query.Length;
        var logits = new double[keys.Length / dimension];
        for (int t = 0; t < logits.Length; t++)
            logits[t] = Measure.Dot(query, keys.Slice(t * dimension, dimension)) / Math.Sqrt(dimension);
        return Softmax(logits);
    }

    public static double[] Softmax(double[] logits)
    {
        double largest = logits.Max();
        double[] weights = [.. logits.Select(l => Math.Exp(l - largest))];
        double sum = weights.Sum();
        return [.. weights.Select(w => w / sum)];
    }

    /// <summary>Kullback-Leibler divergence of the second distribution from the first.</summary>
    public static double Divergence(double[] exact, double[] approximate)
    {
        double sum = 0;
        for (int i = 0; i < exact.Length; i++)
            sum += exact[i] == 0 ? 0 : exact[i] * Math.Log(exact[i] / approximate[i]);
        return sum;
    }
}
