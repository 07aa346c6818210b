using Kvant.Numerics;

namespace Kvant.Benchmarks;

/// <summary>Random rows of 128 standard normal numbers.</summary>
internal static class SampleRows
{
    public const int Dimension = 128;

    public static float[] Create(int count, ulong seed = 1)
    {
        var random = new SeededRandom(seed);
        return [.. Enumerable.Range(0, count * Dimension).Select(_ => (float)random.NextGaussian())];
    }
}
