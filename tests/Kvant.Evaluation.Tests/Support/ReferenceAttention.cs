namespace Kvant.Evaluation.Tests.Support;

/// <summary>Attention and its divergence straight from the definitions, in double precision.</summary>
internal static class ReferenceAttention
{
    public static double[] Logits(float[] queries, float[] keys, int t, int dimension, double scale)
    {
        double[] logits = new double[t + 1];
        for (int i = 0; i <= t; i++)
        {
            for (int c = 0; c < dimension; c++)
                logits[i] += scale * queries[(t * dimension) + c] * keys[(i * dimension) + c];
        }

        return logits;
    }

    public static double[] Softmax(double[] logits)
    {
        double[] e = [.. logits.Select(Math.Exp)];
        double sum = e.Sum();
        return [.. e.Select(x => x / sum)];
    }

    public static double[] Output(double[] weights, float[] values, int dimension)
    {
        double[] output = new double[dimension];
        for (int i = 0; i < weights.Length; i++)
        {
            for (int c = 0; c < dimension; c++)
                output[c] += weights[i] * values[(i * dimension) + c];
        }

        return output;
    }

    public static double Divergence(double[] p, double[] q) => p.Zip(q, (a, b) => a * Math.Log(a / b)).Sum();
}
