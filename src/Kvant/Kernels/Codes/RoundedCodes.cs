using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>Numbers to whole numbers of one byte between two limits: the codes of evenly spaced levels.</summary>
/// <remarks>The scalar loop is the definition. Wide code does the same operations lane by lane, four registers at a time; the numbers behind
/// go to the next narrower width and at last to the scalar loop.</remarks>
internal static unsafe class RoundedCodes
{
    /// <summary>Rounds numbers and limits them.</summary>
    /// <typeparam name="TRounding">What is rounded, and how.</typeparam>
    /// <param name="numbers">Finite numbers.</param>
    /// <param name="offset">For the rounding.</param>
    /// <param name="unit">For the rounding, not zero.</param>
    /// <param name="low">The least code, at least -128.</param>
    /// <param name="high">The largest code, at most 255.</param>
    /// <param name="codes">Receives the lowest byte of each code.</param>
    public static void Find<TRounding>(ReadOnlySpan<float> numbers, float offset, float unit, int low, int high, Span<byte> codes)
        where TRounding : IRounding
    {
        Debug.Assert(codes.Length == numbers.Length, "There is not a code per number.");
        int done = 0, length = numbers.Length;
        fixed (float* x = numbers)
        {
            fixed (byte* c = codes)
            {
                if (SimdSupport.Active >= SimdWidth.Bits512 && length >= 64)
                    done = Wide<TRounding, Vector512<float>, Simd512>(x, offset, unit, low, high, c, done, length);
                if (SimdSupport.Active >= SimdWidth.Bits256 && done + 32 <= length)
                    done = Wide<TRounding, Vector256<float>, Simd256>(x, offset, unit, low, high, c, done, length);
                if (SimdSupport.Active >= SimdWidth.Bits128 && done + 16 <= length)
                    done = Wide<TRounding, Vector128<float>, Simd128>(x, offset, unit, low, high, c, done, length);
                for (; done < length; done++)
                    c[done] = unchecked((byte)(int)Math.Clamp(TRounding.Apply(x[done], offset, unit), low, high));
            }
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static int Wide<TRounding, TVector, TSimd>(float* numbers, float offset, float unit, int low, int high, byte* codes, int start, int length)
        where TRounding : IRounding
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        int lanes = TSimd.Lanes, i = start;
        TVector shift = TSimd.Broadcast(offset), scale = TSimd.Broadcast(unit), least = TSimd.Broadcast(low), most = TSimd.Broadcast(high);
        for (; i + (4 * lanes) <= length; i += 4 * lanes)
        {
            float* x = numbers + i;
            TSimd.StoreBytes(
                Code<TRounding, TVector, TSimd>(TSimd.Load(x), shift, scale, least, most),
                Code<TRounding, TVector, TSimd>(TSimd.Load(x + lanes), shift, scale, least, most),
                Code<TRounding, TVector, TSimd>(TSimd.Load(x + (2 * lanes)), shift, scale, least, most),
                Code<TRounding, TVector, TSimd>(TSimd.Load(x + (3 * lanes)), shift, scale, least, most),
                codes + i);
        }

        return i;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Code<TRounding, TVector, TSimd>(TVector x, TVector offset, TVector unit, TVector low, TVector high)
        where TRounding : IRounding
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        TVector whole = TRounding.Apply<TVector, TSimd>(x, offset, unit);
        whole = TSimd.Select(TSimd.GreaterThan(low, whole), low, whole);
        return TSimd.LowBytes(TSimd.Select(TSimd.GreaterThan(whole, high), high, whole));
    }
}
