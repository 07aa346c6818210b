using Kvant.Numerics;

namespace Kvant.Evaluation.Sources;

/// <summary>Random test vectors that are the same on every machine: a seed is a data set.</summary>
internal static class RandomVectors
{
    /// <summary>Independent vectors, uniform on the unit sphere: the case that the papers' bounds are for.</summary>
    /// <param name="rows">Number of vectors.</param>
    /// <param name="dimension">Numbers in a vector, at least 1.</param>
    /// <param name="seed">Names the data set.</param>
    /// <param name="stream">Names one of several independent data sets of the same seed.</param>
    /// <returns>[rows, dimension].</returns>
    public static float[] Unit(int rows, int dimension, ulong seed, ulong stream = 0)
    {
        float[] vectors = Normal(rows, dimension, seed, stream);
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
    /// <param name="stream">Names one of several independent data sets of the same seed.</param>
    /// <returns>[rows, dimension].</returns>
    public static float[] Normal(int rows, int dimension, ulong seed, ulong stream = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfLessThan(dimension, 1);
        var random = new SeededRandom(seed, stream);
        float[] vectors = new float[checked(rows * dimension)];
        foreach (ref float x in vectors.AsSpan())
            x = (float)random.NextGaussian();
        return vectors;
    }
}
