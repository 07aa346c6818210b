using System.Numerics;
using System.Runtime.InteropServices;
using Kvant.Rotations;

namespace Kvant.Tests.Reference;

/// <summary>Plain double-precision loops that the references share.</summary>
internal static class ReferenceMath
{
    /// <summary>The matrix of a rotation: its columns are the rotated unit vectors.</summary>
    public static double[,] MatrixOf(Rotation rotation)
    {
        int d = rotation.Dimension;
        var matrix = new double[d, d];
        var unit = new float[d];
        var column = new float[d];
        for (int c = 0; c < d; c++)
        {
            Array.Clear(unit);
            unit[c] = 1;
            rotation.Forward(unit, column);
            for (int r = 0; r < d; r++)
                matrix[r, c] = column[r];
        }

        return matrix;
    }

    public static double[] Multiply(double[,] matrix, double[] vector)
    {
        var result = new double[matrix.GetLength(0)];
        for (int r = 0; r < result.Length; r++)
            result[r] = Dot(MemoryMarshal.CreateReadOnlySpan(ref matrix[r, 0], vector.Length), vector);
        return result;
    }

    public static double[] MultiplyTransposed(double[,] matrix, double[] vector)
    {
        var result = new double[matrix.GetLength(1)];
        for (int r = 0; r < vector.Length; r++)
        {
            for (int c = 0; c < result.Length; c++)
                result[c] += matrix[r, c] * vector[r];
        }

        return result;
    }

    public static double[] ToDouble(ReadOnlySpan<float> row)
    {
        var result = new double[row.Length];
        for (int i = 0; i < row.Length; i++)
            result[i] = row[i];
        return result;
    }

    public static double Dot(ReadOnlySpan<double> left, ReadOnlySpan<double> right)
    {
        Vector<double> sums = Vector<double>.Zero;
        int i = 0;
        for (; i <= left.Length - Vector<double>.Count; i += Vector<double>.Count)
            sums += new Vector<double>(left[i..]) * new Vector<double>(right[i..]);
        double sum = Vector.Sum(sums);
        for (; i < left.Length; i++)
            sum += left[i] * right[i];
        return sum;
    }

    public static double Norm(double[] row) => Math.Sqrt(Dot(row, row));

    /// <summary>The number that fp16 stores for this one.</summary>
    public static double RoundToHalf(double value) => (double)(Half)value;

    public static int Nearest(double[] levels, double value)
    {
        int best = 0;
        for (int i = 1; i < levels.Length; i++)
        {
            if (Math.Abs(levels[i] - value) < Math.Abs(levels[best] - value))
                best = i;
        }

        return best;
    }
}
