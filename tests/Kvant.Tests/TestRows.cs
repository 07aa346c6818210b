using System.Collections.Concurrent;

namespace Kvant.Tests;

/// <summary>Seeded rows for tests; the same seed gives the same rows on every machine.</summary>
internal static class TestRows
{
    // What all tests together keep: 128 MB.
    private const int MostKept = 32 << 20;

    private static readonly ConcurrentDictionary<(int Rows, int Dimension), float[]> s_units = new();
    private static readonly ConcurrentDictionary<(int Count, int Seed, double Scale), float[]> s_gaussians = new();
    private static int s_kept;

    /// <summary>Independent standard normal numbers; the caller's own, though they are drawn once for all tests.</summary>
    public static float[] Gaussian(int rows, int dimension, int seed, double scale = 1)
    {
        (int, int, double) key = (rows * dimension, seed, scale);
        if (s_gaussians.TryGetValue(key, out float[]? known))
            return (float[])known.Clone();
        var random = new Random(seed);
        var result = new float[rows * dimension];
        for (int i = 0; i < result.Length; i++)
            result[i] = (float)(scale * Normal(random));
        if (Interlocked.Add(ref s_kept, result.Length) <= MostKept)
            s_gaussians[key] = (float[])result.Clone();
        return result;
    }

    /// <summary>Random unit vectors; one shared array per shape, which no test may write to.</summary>
    public static float[] UnitVectors(int rows, int dimension) => s_units.GetOrAdd((rows, dimension), static shape =>
    {
        float[] result = Gaussian(shape.Rows, shape.Dimension, seed: 4096 + shape.Dimension);
        for (int i = 0; i < shape.Rows; i++)
            Normalize(result.AsSpan(i * shape.Dimension, shape.Dimension));
        return result;
    });

    /// <summary>Every row of the unit matrix.</summary>
    public static float[] OneHot(int dimension)
    {
        var result = new float[dimension * dimension];
        for (int i = 0; i < dimension; i++)
            result[(i * dimension) + i] = 1;
        return result;
    }

    /// <summary>The kinds of content that laws are checked on.</summary>
    public static string[] Contents { get; } = ["gaussian", "zero", "constant", "one-hot", "one huge channel"];

    /// <summary>Rows of one of <see cref="Contents"/>.</summary>
    public static float[] OfContent(string content, int rows, int dimension, int seed)
    {
        float[] result = content is "gaussian" or "one huge channel" ? Gaussian(rows, dimension, seed) : new float[rows * dimension];
        for (int r = 0; r < rows; r++)
        {
            Span<float> row = result.AsSpan(r * dimension, dimension);
            switch (content)
            {
                case "constant": row.Fill(-0.75f); break;
                case "one-hot": row[(r * 7) % dimension] = 2; break;
                case "one huge channel": row[dimension / 3] = 300; break;
            }
        }

        return result;
    }

    /// <summary>A copy in which every number is multiplied.</summary>
    public static float[] Scaled(float[] rows, double factor) => [.. rows.Select(x => (float)(x * factor))];

    public static double Normal(Random random)
    {
        double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
        return radius * Math.Cos(2 * Math.PI * random.NextDouble());
    }

    private static void Normalize(Span<float> row)
    {
        double norm = Math.Sqrt(Measure.SquaredNorm(row));
        for (int i = 0; i < row.Length; i++)
            row[i] = (float)(row[i] / norm);
    }
}
