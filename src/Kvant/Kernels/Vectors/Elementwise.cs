using System.Diagnostics;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>Element by element products that must round the same at every width: one multiplication, one addition, never fused.</summary>
/// <remarks>Elements do not touch each other, so any width gives the scalar loop's result; what does not fill a register goes to
/// the next narrower width and at last to the scalar loop. TensorPrimitives may fuse, hence not used here.</remarks>
internal static unsafe class Elementwise
{
    /// <summary>product = a * b.</summary>
    public static void Multiply(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> product)
    {
        Debug.Assert(a.Length >= product.Length && b.Length >= product.Length, "The inputs are shorter than the product.");
        fixed (float* x = a, y = b, z = product)
        {
            int done = 0, length = product.Length;
            if (SimdSupport.Active >= SimdWidth.Bits512)
                done = MultiplyWide<Vector512<float>, Simd512>(x, y, z, done, length);
            if (SimdSupport.Active >= SimdWidth.Bits256)
                done = MultiplyWide<Vector256<float>, Simd256>(x, y, z, done, length);
            if (SimdSupport.Active >= SimdWidth.Bits128)
                done = MultiplyWide<Vector128<float>, Simd128>(x, y, z, done, length);
            for (; done < length; done++)
                z[done] = x[done] * y[done];
        }
    }

    /// <summary>sum += row * factor.</summary>
    public static void MultiplyAdd(ReadOnlySpan<float> row, float factor, Span<float> sum)
    {
        Debug.Assert(row.Length >= sum.Length, "The row is shorter than the sum.");
        fixed (float* x = row, z = sum)
        {
            int done = 0, length = sum.Length;
            if (SimdSupport.Active >= SimdWidth.Bits512)
                done = MultiplyAddWide<Vector512<float>, Simd512>(x, factor, z, done, length);
            if (SimdSupport.Active >= SimdWidth.Bits256)
                done = MultiplyAddWide<Vector256<float>, Simd256>(x, factor, z, done, length);
            if (SimdSupport.Active >= SimdWidth.Bits128)
                done = MultiplyAddWide<Vector128<float>, Simd128>(x, factor, z, done, length);
            for (; done < length; done++)
                z[done] += x[done] * factor;
        }
    }

    private static int MultiplyWide<TVector, TSimd>(float* a, float* b, float* product, int start, int length)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        int i = start;
        for (; i + TSimd.Lanes <= length; i += TSimd.Lanes)
            TSimd.Store(TSimd.Multiply(TSimd.Load(a + i), TSimd.Load(b + i)), product + i);
        return i;
    }

    private static int MultiplyAddWide<TVector, TSimd>(float* row, float factor, float* sum, int start, int length)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        TVector scale = TSimd.Broadcast(factor);
        int i = start;
        for (; i + TSimd.Lanes <= length; i += TSimd.Lanes)
            TSimd.Store(TSimd.Add(TSimd.Load(sum + i), TSimd.Multiply(TSimd.Load(row + i), scale)), sum + i);
        return i;
    }
}
