using Kvant.Kernels;
using Kvant.Numerics;

namespace Kvant.Rotations;

/// <summary>
/// A rotation drawn evenly from all rotations (Haar measure), the paper's own choice: the orthogonal factor of a Gaussian
/// matrix, with the sign of each diagonal entry of the triangular factor moved into it. Dense: d^2 multiplications per row.
/// </summary>
internal sealed class HaarRotation : Rotation
{
    /// <summary>The largest dimension: making the matrix takes d^3 steps, and a file that names a spec must not stall its reader.</summary>
    public const int Largest = 512;

    private readonly float[] _matrix;
    private readonly float[] _transpose;

    /// <summary>A rotation of <paramref name="dimension"/> numbers.</summary>
    public HaarRotation(int dimension, ulong seed)
        : base(dimension)
    {
        _matrix = Matrix(dimension, new SeededRandom(seed));
        _transpose = new float[_matrix.Length];
        for (int i = 0; i < dimension; i++)
        {
            for (int j = 0; j < dimension; j++)
                _transpose[(j * dimension) + i] = _matrix[(i * dimension) + j];
        }
    }

    internal override RotationForm Form
    {
        get
        {
            float[] ones = new float[Dimension];
            Array.Fill(ones, 1f);
            return new() { Mixed = Dimension, Signs = ones, Back = ones, Last = ones, Matrix = _transpose, MatrixBack = _matrix };
        }
    }

    /// <summary>Steps to make one: two passes, in each d^2 / 2 pairs of rows, and for each pair a dot product and a subtraction.</summary>
    public static long Steps(int dimension) => 2L * dimension * dimension * dimension;

    /// <summary>An orthogonal matrix, row by row.</summary>
    internal static float[] Matrix(int dimension, SeededRandom random)
    {
        if (dimension > Largest)
            throw new ArgumentException($"a dense random matrix takes a dimension of at most {Largest}.", nameof(dimension));

        // Gram-Schmidt in double precision, twice per row, is the QR factorization with a positive diagonal.
        double[][] rows = new double[dimension][];
        for (int i = 0; i < dimension; i++)
        {
            double[] row = new double[dimension];
            for (int j = 0; j < dimension; j++)
                row[j] = random.NextGaussian();
            for (int pass = 0; pass < 2; pass++)
            {
                for (int k = 0; k < i; k++)
                    Subtract(row, rows[k], Dot(row, rows[k]));
            }

            double norm = Math.Sqrt(Dot(row, row));
            for (int j = 0; j < dimension; j++)
                row[j] /= norm;
            rows[i] = row;
        }

        return [.. rows.SelectMany(r => r).Select(x => (float)x)];
    }

    private protected override void ForwardRows(ReadOnlySpan<float> source, Span<float> destination) => Apply(_transpose, source, destination);

    private protected override void InverseRows(ReadOnlySpan<float> source, Span<float> destination) => Apply(_matrix, source, destination);

    // Every row becomes the sum of its numbers j times row j of the matrix.
    private void Apply(float[] matrix, ReadOnlySpan<float> source, Span<float> destination)
    {
        Span<float> sum = stackalloc float[Dimension];
        for (int i = 0; i < source.Length; i += Dimension)
        {
            sum.Clear();
            for (int j = 0; j < Dimension; j++)
                Elementwise.MultiplyAdd(matrix.AsSpan(j * Dimension, Dimension), source[i + j], sum);
            sum.CopyTo(destination[i..]);
        }
    }

    private static double Dot(double[] a, double[] b)
    {
        double sum = 0;
        for (int i = 0; i < a.Length; i++)
            sum += a[i] * b[i];
        return sum;
    }

    private static void Subtract(double[] a, double[] b, double factor)
    {
        for (int i = 0; i < a.Length; i++)
            a[i] -= factor * b[i];
    }
}
