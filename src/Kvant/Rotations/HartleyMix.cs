using Kvant.Kernels;
using Kvant.Numerics;

namespace Kvant.Rotations;

/// <summary>
/// Mixes the m segments of a row by the discrete Hartley transform, the matrix cas(2 pi j k / m) / sqrt(m) with
/// cas a = cos a + sin a: real, symmetric, orthogonal for every m, and no entry larger than sqrt(2 / m).
/// </summary>
internal sealed class HartleyMix
{
    /// <summary>The most segments; the matrix has their square, and a file that names a spec must not stall its reader.</summary>
    public const int Largest = 1023;

    private readonly int _count;
    private readonly float[] _matrix;

    /// <summary>A mix of <paramref name="count"/> segments.</summary>
    public HartleyMix(int count)
    {
        if (count > Largest)
            throw new ArgumentException($"it has the odd factor {count}; a Hadamard rotation takes one of at most {Largest}.", nameof(count));
        _count = count;
        // The circle has m different points only.
        float[] points = new float[count];
        for (int i = 0; i < count; i++)
            points[i] = (float)(PortableMath.CosPlusSin(i, count) / Math.Sqrt(count));
        _matrix = new float[count * count];
        for (int j = 0; j < count; j++)
        {
            for (int k = 0; k < count; k++)
                _matrix[(j * count) + k] = points[j * k % count];
        }
    }

    /// <summary>Steps to make one: each number of the matrix, and keeping it.</summary>
    public static long Steps(int count) => 8L * count * count;

    /// <summary>[segment, segment]; symmetric.</summary>
    public float[] Matrix => _matrix;

    /// <summary>Replaces segment j by the sum over k of matrix[j, k] times segment k.</summary>
    public void Apply(Span<float> row)
    {
        Span<float> mixed = stackalloc float[row.Length];
        SegmentMix.Apply(row, _matrix, _count, mixed);
        mixed.CopyTo(row);
    }
}
