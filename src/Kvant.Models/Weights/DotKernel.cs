using System.Numerics;
using System.Runtime.InteropServices;

namespace Kvant.Models.Weights;

/// <summary>
/// The dot products of four rows with two vectors at once: eight independent sums keep the multipliers busy, and six loads serve eight
/// multiplications.
/// </summary>
/// <remarks>Lanes run along the columns; columns that do not fill a register are added one by one. It equals eight plain dot products
/// but for the order of their sums.</remarks>
internal static class DotKernel
{
    internal const int Rows = 4;
    internal const int Tokens = 2;

    /// <summary>Multiplies.</summary>
    /// <param name="rows">4 x columns.</param>
    /// <param name="inputs">2 x columns.</param>
    /// <param name="first">Receives the four products with the first vector.</param>
    /// <param name="second">Receives the four products with the second vector.</param>
    internal static void Multiply(ReadOnlySpan<float> rows, ReadOnlySpan<float> inputs, Span<float> first, Span<float> second)
    {
        int columns = inputs.Length / Tokens;
        ref float r = ref MemoryMarshal.GetReference(rows);
        ref float x = ref MemoryMarshal.GetReference(inputs);
        nuint stride = (nuint)columns, i = 0;
        Vector<float> a0 = default, a1 = default, a2 = default, a3 = default, b0 = default, b1 = default, b2 = default, b3 = default;
        for (; i + (nuint)Vector<float>.Count <= stride; i += (nuint)Vector<float>.Count)
        {
            Vector<float> x0 = Vector.LoadUnsafe(ref x, i), x1 = Vector.LoadUnsafe(ref x, i + stride);
            Vector<float> row = Vector.LoadUnsafe(ref r, i);
            a0 = Vector.FusedMultiplyAdd(row, x0, a0);
            b0 = Vector.FusedMultiplyAdd(row, x1, b0);
            row = Vector.LoadUnsafe(ref r, i + stride);
            a1 = Vector.FusedMultiplyAdd(row, x0, a1);
            b1 = Vector.FusedMultiplyAdd(row, x1, b1);
            row = Vector.LoadUnsafe(ref r, i + (2 * stride));
            a2 = Vector.FusedMultiplyAdd(row, x0, a2);
            b2 = Vector.FusedMultiplyAdd(row, x1, b2);
            row = Vector.LoadUnsafe(ref r, i + (3 * stride));
            a3 = Vector.FusedMultiplyAdd(row, x0, a3);
            b3 = Vector.FusedMultiplyAdd(row, x1, b3);
        }
        (first[0], first[1], first[2], first[3]) = (Vector.Sum(a0), Vector.Sum(a1), Vector.Sum(a2), Vector.Sum(a3));
        (second[0], second[1], second[2], second[3]) = (Vector.Sum(b0), Vector.Sum(b1), Vector.Sum(b2), Vector.Sum(b3));
        for (int column = (int)i; column < columns; column++)
        {
            for (int row = 0; row < Rows; row++)
            {
                first[row] += rows[(row * columns) + column] * inputs[column];
                second[row] += rows[(row * columns) + column] * inputs[columns + column];
            }
        }
    }
}
