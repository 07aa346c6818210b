using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>Floats to IEEE halves and back, many at a time, and the question whether numbers are small enough for it.</summary>
/// <remarks>
/// .NET has no instruction for either. To a half: exponent and mantissa move 13 bits down, with half of the last bit added before, and one
/// less where the last bit is even already (to nearest, ties to even); below 2^-14 adding 1/2 puts the bits of the denormal at the low
/// end, rounded by the addition. All of it is exact, so every width gives the bits of the scalar cast. Back: <see cref="HalfBits"/>.
/// </remarks>
internal static unsafe class Halves
{
    private const uint Sign = 0x80000000;
    private const uint SmallestNormal = 0x38800000; // 2^-14
    private const uint OneHalf = 0x3F000000;
    private const uint Rebias = 0xC8000FFF; // minus 112 exponents, plus all but one of the bits that are cut

    /// <summary>Rounds finite numbers below 65520 to halves; others give no half that means anything.</summary>
    /// <param name="numbers">The numbers.</param>
    /// <param name="halves">Receives as many.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Round(ReadOnlySpan<float> numbers, Span<ushort> halves)
    {
        Debug.Assert(numbers.Length == halves.Length, "One half per number.");
        int i = 0;
        fixed (float* x = numbers)
        fixed (ushort* h = halves)
        {
            if (SimdSupport.Active == SimdWidth.Bits512)
            {
                for (; i + 32 <= numbers.Length; i += 32)
                    Vector512.Narrow(Bits(Vector512.Load(x + i)), Bits(Vector512.Load(x + i + 16))).Store(h + i);
            }

            if (SimdSupport.Active != SimdWidth.Scalar)
            {
                for (; i + 8 <= numbers.Length; i += 8)
                    Vector128.Narrow(Bits(Vector128.Load(x + i)), Bits(Vector128.Load(x + i + 4))).Store(h + i);
            }

            for (; i < numbers.Length; i++)
                h[i] = BitConverter.HalfToUInt16Bits((Half)x[i]);
        }
    }

    /// <summary>Halves to floats; infinities and NaN give numbers of 65536 and more.</summary>
    /// <param name="halves">The halves.</param>
    /// <param name="numbers">Receives as many.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Widen(ReadOnlySpan<ushort> halves, Span<float> numbers)
    {
        Debug.Assert(numbers.Length == halves.Length, "One number per half.");
        int i = 0;
        fixed (ushort* h = halves)
        fixed (float* x = numbers)
        {
            if (SimdSupport.Active == SimdWidth.Bits512)
            {
                for (; i + 16 <= numbers.Length; i += 16)
                    Simd512.Halves((byte*)(h + i)).Store(x + i);
            }

            if (SimdSupport.Active != SimdWidth.Scalar)
            {
                for (; i + 4 <= numbers.Length; i += 4)
                    Simd128.Halves((byte*)(h + i)).Store(x + i);
            }

            for (; i < numbers.Length; i++)
                x[i] = HalfBits.ToSingle((short)h[i]);
        }
    }

    /// <summary>Whether all numbers are finite and of no larger magnitude.</summary>
    /// <param name="numbers">The numbers.</param>
    /// <param name="magnitude">The limit, finite and not negative.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool AreAtMost(ReadOnlySpan<float> numbers, float magnitude)
    {
        // As integers, magnitudes have the order of the numbers, and infinities and NaN come last.
        int i = 0, largest = 0;
        fixed (float* x = numbers)
        {
            if (SimdSupport.Active == SimdWidth.Bits512)
            {
                Vector512<int> wide = Vector512<int>.Zero;
                for (; i + 16 <= numbers.Length; i += 16)
                    wide = Vector512.Max(wide, Vector512.Load((int*)x + i) & Vector512.Create(int.MaxValue));
                largest = Largest(Vector128.Max(
                    Vector128.Max(wide.GetLower().GetLower(), wide.GetLower().GetUpper()), Vector128.Max(wide.GetUpper().GetLower(), wide.GetUpper().GetUpper())));
            }

            if (SimdSupport.Active != SimdWidth.Scalar)
            {
                Vector128<int> narrow = Vector128<int>.Zero;
                for (; i + 4 <= numbers.Length; i += 4)
                    narrow = Vector128.Max(narrow, Vector128.Load((int*)x + i) & Vector128.Create(int.MaxValue));
                largest = Math.Max(largest, Largest(narrow));
            }

            for (; i < numbers.Length; i++)
                largest = Math.Max(largest, BitConverter.SingleToInt32Bits(x[i]) & int.MaxValue);
        }

        return largest <= BitConverter.SingleToInt32Bits(magnitude);
    }

    private static int Largest(Vector128<int> value) => Math.Max(Math.Max(value[0], value[1]), Math.Max(value[2], value[3]));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Bits(Vector512<float> x)
    {
        Vector512<uint> sign = x.AsUInt32() & Vector512.Create(Sign), size = x.AsUInt32() ^ sign;
        Vector512<uint> normal = (size + Vector512.Create(Rebias) + ((size >>> 13) & Vector512<uint>.One)) >>> 13;
        Vector512<uint> small = (size.AsSingle() + Vector512.Create(0.5f)).AsUInt32() - Vector512.Create(OneHalf);
        return Vector512.ConditionalSelect(Vector512.LessThan(size, Vector512.Create(SmallestNormal)), small, normal) | (sign >>> 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Bits(Vector128<float> x)
    {
        Vector128<uint> sign = x.AsUInt32() & Vector128.Create(Sign), size = x.AsUInt32() ^ sign;
        Vector128<uint> normal = (size + Vector128.Create(Rebias) + ((size >>> 13) & Vector128<uint>.One)) >>> 13;
        Vector128<uint> small = (size.AsSingle() + Vector128.Create(0.5f)).AsUInt32() - Vector128.Create(OneHalf);
        return Vector128.ConditionalSelect(Vector128.LessThan(size, Vector128.Create(SmallestNormal)), small, normal) | (sign >>> 16);
    }
}
