using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>A small matrix times the segments of a row: segment j of the result is the sum over k of matrix[j, k] times segment k.</summary>
/// <remarks>The scalar loop is the definition: each sum starts at zero and takes its products in the order of k, unfused. Numbers of
/// a segment do not touch each other, so wide code does the same lane by lane; a segment that does not fill whole registers takes
/// the widest width that it fills.</remarks>
internal static unsafe class SegmentMix
{
    /// <summary>mixed = matrix * row.</summary>
    /// <param name="row">The segments one after the other.</param>
    /// <param name="matrix">count times count numbers, row by row.</param>
    /// <param name="count">Number of segments.</param>
    /// <param name="mixed">Receives as many floats as the row has; other memory.</param>
    public static void Apply(ReadOnlySpan<float> row, ReadOnlySpan<float> matrix, int count, Span<float> mixed)
    {
        Debug.Assert(mixed.Length == row.Length && row.Length % count == 0 && matrix.Length == count * count, "The shapes do not fit.");
        int segment = row.Length / count;
        fixed (float* x = row, m = matrix, y = mixed)
        {
            switch (SimdSupport.For(segment))
            {
                case SimdWidth.Bits512: Wide<Vector512<float>, Simd512>(x, m, count, segment, y); break;
                case SimdWidth.Bits256: Wide<Vector256<float>, Simd256>(x, m, count, segment, y); break;
                case SimdWidth.Bits128: Wide<Vector128<float>, Simd128>(x, m, count, segment, y); break;
                default: Scalar(x, m, count, segment, y); break;
            }
        }
    }

    private static void Scalar(float* row, float* matrix, int count, int segment, float* mixed)
    {
        for (int j = 0; j < count; j++)
        {
            for (int i = 0; i < segment; i++)
            {
                float sum = 0;
                for (int k = 0; k < count; k++)
                    sum += row[(k * segment) + i] * matrix[(j * count) + k];
                mixed[(j * segment) + i] = sum;
            }
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Wide<TVector, TSimd>(float* row, float* matrix, int count, int segment, float* mixed)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        for (int j = 0; j < count; j++)
        {
            for (int i = 0; i < segment; i += TSimd.Lanes)
            {
                TVector sum = TSimd.Zero;
                for (int k = 0; k < count; k++)
                    sum = TSimd.Add(sum, TSimd.Multiply(TSimd.Load(row + (k * segment) + i), TSimd.Broadcast(matrix[(j * count) + k])));
                TSimd.Store(sum, mixed + (j * segment) + i);
            }
        }
    }
}
