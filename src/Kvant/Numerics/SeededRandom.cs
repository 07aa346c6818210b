using System.Runtime.CompilerServices;

namespace Kvant.Numerics;

/// <summary>
/// Random numbers that are the same on every machine and in every release, because a seed is part of the stored format:
/// SplitMix64 (Steele, Lea and Flood, 2014) for the bits, and arithmetic that IEEE 754 defines exactly for the rest.
/// Not for secrets; one thread at a time.
/// </summary>
internal sealed class SeededRandom
{
    private ulong _state;
    private double _spare = double.NaN;

    /// <summary>Starts a sequence.</summary>
    /// <param name="seed">Names the sequence.</param>
    /// <param name="stream">Names one of several independent sequences of the same seed.</param>
    public SeededRandom(ulong seed, ulong stream = 0) => _state = Mix(seed) + Mix(stream ^ 0x9E3779B97F4A7C15);

    /// <summary>64 random bits.</summary>
    public ulong NextBits() => Mix(_state += 0x9E3779B97F4A7C15);

    /// <summary>A number in [0, 1), one of 2^53.</summary>
    public double NextDouble() => (NextBits() >> 11) * (1.0 / (1L << 53));

    /// <summary>+1 or -1.</summary>
    public float NextSign() => (NextBits() >> 63) == 0 ? 1f : -1f;

    /// <summary>A number of the normal distribution with mean 0 and variance 1 (Marsaglia's polar method).</summary>
    public double NextGaussian()
    {
        if (!double.IsNaN(_spare))
        {
            double spare = _spare;
            _spare = double.NaN;
            return spare;
        }

        while (true)
        {
            double u = (2 * NextDouble()) - 1, v = (2 * NextDouble()) - 1, s = (u * u) + (v * v);
            if (s >= 1 || s == 0)
                continue;
            double factor = Math.Sqrt(-2 * PortableMath.Log(s) / s);
            _spare = v * factor;
            return u * factor;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
