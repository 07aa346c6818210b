using System.Diagnostics;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>Turns pairs of numbers: what a cos(x) + b sin(x) becomes as a function of x where x begins at another angle.</summary>
/// <remarks>Pairs do not touch each other; what does not fill a register goes to the next narrower width and at last to the scalar loop, which is the definition.</remarks>
internal static unsafe class PairTurns
{
    /// <summary>(a, b) = (a cosine + b sine, b cosine - a sine).</summary>
    public static void Run(Span<float> a, Span<float> b, ReadOnlySpan<float> cosines, ReadOnlySpan<float> sines)
    {
        Debug.Assert(b.Length >= a.Length && cosines.Length >= a.Length && sines.Length >= a.Length, "Too short.");
        fixed (float* x = a, y = b, c = cosines, s = sines)
        {
            int done = 0, length = a.Length;
            if (SimdSupport.Active >= SimdWidth.Bits512)
                done = Wide<Vector512<float>, Simd512>(x, y, c, s, done, length);
            if (SimdSupport.Active >= SimdWidth.Bits256)
                done = Wide<Vector256<float>, Simd256>(x, y, c, s, done, length);
            if (SimdSupport.Active >= SimdWidth.Bits128)
                done = Wide<Vector128<float>, Simd128>(x, y, c, s, done, length);
            for (; done < length; done++)
                (x[done], y[done]) = ((x[done] * c[done]) + (y[done] * s[done]), (y[done] * c[done]) - (x[done] * s[done]));
        }
    }

    private static int Wide<TVector, TSimd>(float* a, float* b, float* cosines, float* sines, int start, int length)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        int i = start;
        for (; i + TSimd.Lanes <= length; i += TSimd.Lanes)
        {
            TVector x = TSimd.Load(a + i), y = TSimd.Load(b + i), c = TSimd.Load(cosines + i), s = TSimd.Load(sines + i);
            TSimd.Store(TSimd.Add(TSimd.Multiply(x, c), TSimd.Multiply(y, s)), a + i);
            TSimd.Store(TSimd.Subtract(TSimd.Multiply(y, c), TSimd.Multiply(x, s)), b + i);
        }

        return i;
    }
}
