using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>Whether all numbers are finite.</summary>
/// <remarks>A finite number times zero is zero, anything else is NaN, and a sum keeps NaN: one multiplication and one addition
/// per register, which every row pays at the door.</remarks>
internal static unsafe class Finiteness
{
    /// <summary>True if no number is NaN or infinite.</summary>
    public static bool All(ReadOnlySpan<float> numbers)
    {
        fixed (float* x = numbers)
        {
            return SimdSupport.Active switch
            {
                SimdWidth.Bits512 => Wide<Vector512<float>, Simd512>(x, numbers.Length),
                SimdWidth.Bits256 => Wide<Vector256<float>, Simd256>(x, numbers.Length),
                SimdWidth.Bits128 => Wide<Vector128<float>, Simd128>(x, numbers.Length),
                _ => Scalar(x, 0, numbers.Length),
            };
        }
    }

    /// <summary>Where the first number is that is NaN or infinite; -1 if there is none.</summary>
    public static int FirstBad(ReadOnlySpan<float> numbers)
    {
        for (int i = 0; i < numbers.Length; i++)
        {
            if (!float.IsFinite(numbers[i]))
                return i;
        }

        return -1;
    }

    private static bool Scalar(float* numbers, int start, int length)
    {
        float sum = 0;
        for (int i = start; i < length; i++)
            sum += numbers[i] * 0;
        return sum == 0;
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static bool Wide<TVector, TSimd>(float* numbers, int length)
        where TVector : struct
        where TSimd : ISimd<TVector>
    {
        int lanes = TSimd.Lanes, i = 0;
        TVector a = TSimd.Zero, b = a, c = a, d = a;
        for (; i + (4 * lanes) <= length; i += 4 * lanes)
        {
            a = TSimd.Add(a, TSimd.Multiply(TSimd.Load(numbers + i), TSimd.Zero));
            b = TSimd.Add(b, TSimd.Multiply(TSimd.Load(numbers + i + lanes), TSimd.Zero));
            c = TSimd.Add(c, TSimd.Multiply(TSimd.Load(numbers + i + (2 * lanes)), TSimd.Zero));
            d = TSimd.Add(d, TSimd.Multiply(TSimd.Load(numbers + i + (3 * lanes)), TSimd.Zero));
        }

        float* sums = stackalloc float[16];
        TSimd.Store(TSimd.Add(TSimd.Add(a, b), TSimd.Add(c, d)), sums);
        return Scalar(sums, 0, lanes) && Scalar(numbers, i, length);
    }
}
