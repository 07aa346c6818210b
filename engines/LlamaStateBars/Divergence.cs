namespace LlamaStateBars;

/// <summary>How far predictions lie apart.</summary>
internal static class Divergence
{
    public static float[] LogProbabilities(ReadOnlySpan<float> logits)
    {
        float[] result = logits.ToArray();
        double largest = logits.ToArray().Max(), sum = 0;
        foreach (float logit in logits)
            sum += Math.Exp(logit - largest);
        double shift = largest + Math.Log(sum);
        for (int i = 0; i < result.Length; i++)
            result[i] = (float)(logits[i] - shift);
        return result;
    }

    /// <summary>Kullback-Leibler divergences in nats, of each pair.</summary>
    public static double[] Of(List<float[]> wanted, List<float[]> found) =>
        [.. wanted.Zip(found).Select(pair => pair.First.Zip(pair.Second).Sum(p => Math.Exp(p.First) * ((double)p.First - p.Second)))];

    public static double Median(double[] values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
