namespace Kvant.Evaluation.Sources;

/// <summary>Random test vectors that are the same on every run: a seed is a data set.</summary>
public static class RandomVectors
{
    /// <summary>Independent vectors, uniform on the unit sphere: the case that the papers' bounds are for.</summary>
    /// <param name="rows">Number of vectors.</param>
    /// <param name="dimension">Numbers in a vector, at least 1.</param>
    /// <param name="seed">Names the data set.</param>
    /// <returns>[rows, dimension].</returns>
    public static float[] Unit(int rows, int dimension, ulong seed)
    {
        float[] vectors = Normal(rows, dimension, seed);
        for (int i = 0; i < vectors.Length; i += dimension)
        {
            Span<float> row = vectors.AsSpan(i, dimension);
            double energy = 0;
            foreach (float x in row)
                energy += (double)x * x;
            double scale = 1 / Math.Sqrt(energy);
            foreach (ref float x in row)
                x = (float)(x * scale);
        }

        return vectors;
    }

    /// <summary>Independent standard normal numbers.</summary>
    /// <param name="rows">Number of vectors.</param>
    /// <param name="dimension">Numbers in a vector, at least 1.</param>
    /// <param name="seed">Names the data set.</param>
    /// <returns>[rows, dimension].</returns>
    public static float[] Normal(int rows, int dimension, ulong seed)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfLessThan(dimension, 1);
        float[] vectors = new float[checked(rows * dimension)];
        ulong state = seed;
        for (int i = 0; i < vectors.Length; i += 2)
        {
            // Box and Muller; 1 - u is never 0, so the logarithm is finite.
            double radius = Math.Sqrt(-2 * Math.Log(1 - Uniform(ref state)));
            double angle = 2 * Math.PI * Uniform(ref state);
            vectors[i] = (float)(radius * Math.Cos(angle));
            if (i + 1 < vectors.Length)
                vectors[i + 1] = (float)(radius * Math.Sin(angle));
        }

        return vectors;
    }

    private static double Uniform(ref ulong state)
    {
        // SplitMix64.
        ulong z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return ((z ^ (z >> 31)) >> 11) * (1.0 / (1UL << 53));
    }
}
