using System.Collections.Concurrent;

namespace Kvant.Codebooks;

/// <summary>
/// The levels to which a coordinate is rounded. They are the best for the exact density of a coordinate of a random unit
/// vector, times sqrt(dimension), so that a coordinate has variance 1. Never fitted to data: fitted levels lower the squared
/// error and raise the error of attention.
/// </summary>
public sealed class Codebook
{
    private const int MaxDimension = 4096; // the longest row of a rotation, and so of a codec

    private static readonly ConcurrentDictionary<(int Dimension, int Bits, bool Uniform), Codebook> Known = new();

    private readonly float[] _centroids;
    private readonly float[] _levels;
    private readonly float[] _thresholds;

    private Codebook(int dimension, int bits, SphereDensity density, float[] levels)
    {
        (Dimension, Bits) = (dimension, bits);
        _levels = levels;
        _centroids = [.. levels.Reverse().Select(l => -l), .. levels];
        _thresholds = new float[levels.Length - 1];
        for (int k = 0; k < _thresholds.Length; k++)
            _thresholds[k] = (float)(0.5 * ((double)levels[k] + levels[k + 1]));
        double root = Math.Sqrt(dimension);
        NormalizedError = Error(density, [.. levels.Select(l => l / root)]);
    }

    /// <summary>The dimension whose unit vectors the levels are made for.</summary>
    public int Dimension { get; }

    /// <summary>Bits of a code.</summary>
    public int Bits { get; }

    /// <summary>The 2^bits levels, ascending, for coordinates of variance 1; code i means level i. Divide by sqrt(dimension) for unit vectors.</summary>
    public ReadOnlySpan<float> Centroids => _centroids;

    /// <summary>The expected squared error of a unit vector: what the codes lose, as a share of the energy.</summary>
    public double NormalizedError { get; }

    /// <summary>The upper half of the centroids.</summary>
    internal ReadOnlySpan<float> Levels => _levels;

    /// <summary>Halfway between the levels.</summary>
    internal ReadOnlySpan<float> Thresholds => _thresholds;

    /// <summary>The levels of least squared error (Lloyd-Max).</summary>
    /// <param name="dimension">Numbers in a row, 3 to 4096.</param>
    /// <param name="bits">1 to 8.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public static Codebook LloydMax(int dimension, int bits) => Get(dimension, bits, uniform: false);

    /// <summary>Evenly spaced levels with the best step.</summary>
    /// <param name="dimension">Numbers in a row, 3 to 4096.</param>
    /// <param name="bits">1 to 8.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public static Codebook Uniform(int dimension, int bits) => Get(dimension, bits, uniform: true);

    /// <summary>About how many steps of two nanoseconds it takes to make one, found without making it: an integral over the density is a sum of d / 2
    /// terms with a division each, and a codebook asks for two per level each time that its error is looked at.</summary>
    internal static long Steps(int dimension, int bits, bool uniform)
    {
        const int perTerm = 6;
        int looks = uniform ? UniformGrid.Looks : LloydMaxConstants.Find(dimension, bits).IsEmpty ? Codebooks.LloydMax.Looks : 1;
        return (long)perTerm * looks * (1 << (bits - 1)) * dimension;
    }

    /// <summary>The expected squared error of a unit vector under positive levels for unit vectors.</summary>
    internal static double Error(SphereDensity density, double[] levels)
    {
        // E[x^2] = 1/d, so d E[(x - level)^2] = 1 - d (2 E[x level] - E[level^2]); both halves of the density count.
        double gain = 0, low = 0;
        for (int k = 0; k < levels.Length; k++)
        {
            double high = k == levels.Length - 1 ? 1 : Math.Min(1, 0.5 * (levels[k] + levels[k + 1]));
            gain += levels[k] * ((2 * density.FirstMoment(low, high)) - (levels[k] * (density.Mass(high) - density.Mass(low))));
            low = high;
        }

        return 1 - (2 * density.Dimension * gain);
    }

    private static Codebook Get(int dimension, int bits, bool uniform)
    {
        if (dimension is < 3 or > MaxDimension)
            throw new ArgumentOutOfRangeException(nameof(dimension), dimension, $"a codebook takes a dimension of 3 to {MaxDimension}.");
        ArgumentOutOfRangeException.ThrowIfLessThan(bits, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bits, 8);
        return Known.GetOrAdd((dimension, bits, uniform), static key => Make(key.Dimension, key.Bits, key.Uniform));
    }

    private static Codebook Make(int dimension, int bits, bool uniform)
    {
        var density = new SphereDensity(dimension);
        float[] levels = uniform ? Scaled(UniformGrid.Solve(density, bits), dimension)
            : LloydMaxConstants.Find(dimension, bits) is { IsEmpty: false } known ? known.ToArray()
            : Solve(dimension, bits);
        return new Codebook(dimension, bits, density, levels);
    }

    /// <summary>Lloyd-Max levels from the solver, whether the source has them as constants or not.</summary>
    internal static float[] Solve(int dimension, int bits) => Scaled(Codebooks.LloydMax.Solve(new SphereDensity(dimension), bits), dimension);

    private static float[] Scaled(double[] levels, int dimension) => [.. levels.Select(l => (float)(l * Math.Sqrt(dimension)))];
}
