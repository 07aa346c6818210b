using System.Collections.Concurrent;
using Kvant.Codecs;
using Kvant.Tests.Reference;

namespace Kvant.Tests.Codecs;

/// <summary>
/// Synthetic keys with what breaks codes of one scale per row: 4,096 Gaussian keys of 128 numbers with norms exp(.1 z), plus a common vector of 30
/// times the norm in the slowest quarter of the RoPE channels, all turned by RoPE (base 10,000) at positions 0 to 4,095.
/// </summary>
internal static class RopeKeys
{
    public const int Dimension = 128;
    private const int Rows = 4096;
    private const int Heads = 6;
    private const int Queries = 24;

    // The keys of a head and the exact weights of its queries are those of every codec.
    private static readonly ConcurrentDictionary<(int Head, double Factor), (float[] Keys, double[][] Weights)> s_heads = new();

    /// <summary>How far the attention over decoded keys is from the exact one: the mean over heads and unit queries, whose logits over keys without the
    /// common vector have a standard deviation of 2.</summary>
    /// <param name="spec">The codec.</param>
    /// <param name="factor">Length of the common vector, in norms of a key.</param>
    public static double Divergence(string spec, double factor = 30)
    {
        double sum = 0;
        for (int head = 0; head < Heads; head++)
        {
            (float[] keys, double[][] exact) = s_heads.GetOrAdd((head, factor), static of =>
            {
                float[] keys = Keys(of.Head, of.Factor);
                return (keys, [.. Enumerable.Range(0, Queries).Select(q => Weights(Query(of.Head, q), keys))]);
            });
            Codec codec = CodecSpec.Parse(spec).CreateCodec(Dimension, CodecRole.KeyTiles).Calibrate(keys);
            float[] decoded = CodecCases.RoundTrip(codec, keys);
            for (int q = 0; q < Queries; q++)
                sum += AttentionReference.Divergence(exact[q], Weights(Query(head, q), decoded)) / (Heads * Queries);
        }

        return sum;
    }

    private static ReadOnlySpan<float> Query(int head, int query) => TestRows.UnitVectors(4096, Dimension).AsSpan(((head * Queries) + query) * Dimension, Dimension);

    private static double[] Weights(ReadOnlySpan<float> query, float[] keys)
    {
        // A unit query with keys of norm 1 in random directions: the standard deviation is the inverse root of the dimension.
        double scale = 2 * Math.Sqrt(Dimension);
        double[] logits = new double[Rows];
        for (int r = 0; r < Rows; r++)
            logits[r] = scale * Measure.Dot(query, keys.AsSpan(r * Dimension, Dimension));
        double most = logits.Max(), total = logits.Sum(l => Math.Exp(l - most));
        return [.. logits.Select(l => Math.Exp(l - most) / total)];
    }

    private static float[] Keys(int head, double factor)
    {
        var random = new Random(7000 + head);
        double[] common = new double[Dimension], row = new double[Dimension];
        for (int pair = Dimension * 3 / 8; pair < Dimension / 2; pair++)
            (common[pair], common[pair + (Dimension / 2)]) = (TestRows.Normal(random), TestRows.Normal(random));
        double length = factor / Math.Max(ReferenceMath.Norm(common), 1e-9);
        float[] keys = new float[Rows * Dimension];
        for (int r = 0; r < Rows; r++)
        {
            for (int c = 0; c < Dimension; c++)
                row[c] = TestRows.Normal(random);
            double norm = Math.Exp(0.1 * TestRows.Normal(random)) / ReferenceMath.Norm(row);
            for (int pair = 0; pair < Dimension / 2; pair++)
            {
                double x = (row[pair] * norm) + (common[pair] * length), y = (row[pair + (Dimension / 2)] * norm) + (common[pair + (Dimension / 2)] * length);
                (double sin, double cos) = Math.SinCos(r * Math.Pow(10_000, -2.0 * pair / Dimension));
                keys[(r * Dimension) + pair] = (float)((x * cos) - (y * sin));
                keys[(r * Dimension) + pair + (Dimension / 2)] = (float)((x * sin) + (y * cos));
            }
        }

        return keys;
    }
}
