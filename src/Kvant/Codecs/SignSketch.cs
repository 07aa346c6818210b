using Kvant.Codebooks;
using Kvant.Kernels;
using Kvant.Numerics;
using Kvant.Rotations;

namespace Kvant.Codecs;

/// <summary>
/// The quantized Johnson-Lindenstrauss sketch (Zandieh et al., 2024, "QJL"): of a vector r only the signs of m random projections
/// S r and its norm are kept, and <c>|r| k/m (S q, sign(S r))</c> estimates (q, r), k = 1 / E|projection of a unit vector|;
/// without bias for the first two kinds, nearly so for entries +-1.
/// </summary>
internal sealed class SignSketch
{
    private const int Largest = 1 << 22; // drawn anew for every codec, so a file that names one must not stall its reader

    private readonly int _dimension;
    private readonly float[] _rows; // m rows of d
    private readonly float _factor; // k/m

    /// <summary>A sketch of <paramref name="length"/> signs.</summary>
    /// <param name="kind"><c>gaussian</c> (the paper's), <c>orthogonal</c> (rows of rotations, less variance) or <c>rademacher</c> (entries +-1).</param>
    /// <param name="dimension">Numbers in a vector.</param>
    /// <param name="length">Signs, m.</param>
    /// <param name="seed">Names the random choice.</param>
    public SignSketch(string kind, int dimension, int length, ulong seed)
    {
        if ((long)length * dimension > Largest)
            throw new ArgumentException($"a sketch holds at most {Largest} numbers, dimension times length.", nameof(length));
        (_dimension, Length) = (dimension, length);
        var random = new SeededRandom(seed, stream: 1);
        _rows = new float[checked(length * dimension)];
        double gain = Math.Sqrt(0.5 * Math.PI);
        switch (kind)
        {
            case "gaussian":
                for (int i = 0; i < _rows.Length; i++)
                    _rows[i] = (float)random.NextGaussian();
                break;
            case "rademacher":
                for (int i = 0; i < _rows.Length; i++)
                    _rows[i] = random.NextSign();
                break;
            default:
                for (int i = 0; i < _rows.Length; i += dimension * dimension)
                {
                    int count = Math.Min(dimension * dimension, _rows.Length - i);
                    HaarRotation.Matrix(dimension, random).AsSpan(0, count).CopyTo(_rows.AsSpan(i));
                }

                // Rows of length 1 here: E|projection| is that of a coordinate of a random unit vector.
                gain = 1 / (2 * new SphereDensity(dimension).FirstMoment(0, 1));
                break;
        }

        _factor = (float)(gain / length);
    }

    /// <summary>Signs, m.</summary>
    public int Length { get; }

    /// <summary>Steps to make one: each number drawn, and kept; rows of rotations take whole rotations.</summary>
    public static long Steps(string kind, int dimension, int length) =>
        (16L * length * dimension) + (kind == "orthogonal" ? (length + dimension - 1) / dimension * HaarRotation.Steps(dimension) : 0);

    /// <summary>S x.</summary>
    /// <param name="vector">d floats.</param>
    /// <param name="projections">Receives m floats.</param>
    public void Project(ReadOnlySpan<float> vector, Span<float> projections)
    {
        for (int i = 0; i < Length; i++)
            projections[i] = Reductions.Dot(_rows.AsSpan(i * _dimension, _dimension), vector);
    }

    /// <summary>1 where a projection is not negative.</summary>
    /// <param name="vector">d floats.</param>
    /// <param name="signs">Receives m codes of one bit.</param>
    public void Encode(ReadOnlySpan<float> vector, Span<byte> signs)
    {
        Span<float> projections = stackalloc float[Length];
        Project(vector, projections);
        for (int i = 0; i < Length; i++)
            signs[i] = projections[i] >= 0 ? (byte)1 : (byte)0;
    }

    /// <summary>Adds the vector whose dot product with any q is the estimate of (q, r): norm k/m S^T sign.</summary>
    public void AddTo(ReadOnlySpan<byte> signs, float norm, Span<float> vector)
    {
        for (int i = 0; i < Length; i++)
            Elementwise.MultiplyAdd(_rows.AsSpan(i * _dimension, _dimension), signs[i] != 0 ? norm * _factor : -norm * _factor, vector);
    }

    /// <summary>The estimate of (q, r) from S q, the signs and the norm of r.</summary>
    public float Estimate(ReadOnlySpan<float> projections, ReadOnlySpan<byte> signs, float norm)
    {
        float sum = 0;
        for (int i = 0; i < Length; i++)
            sum += signs[i] != 0 ? projections[i] : -projections[i];
        return norm * _factor * sum;
    }
}
