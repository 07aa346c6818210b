using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>Segments of equal length, a number for each: their sums, and what is added to all of one.</summary>
/// <remarks>A segment is whole pairs of registers of every width. The scalar loop is the definition; sums may be added in any order, for nothing that is stored comes of them.</remarks>
internal static unsafe class Segments
{
    /// <summary>sums[i] = the sum of the numbers of segment i.</summary>
    /// <param name="numbers">Segments one after the other.</param>
    /// <param name="length">Numbers of a segment, a multiple of 32.</param>
    /// <param name="sums">Receives a number per segment.</param>
    public static void Sum(ReadOnlySpan<float> numbers, int length, Span<float> sums)
    {
        Debug.Assert(length % 32 == 0 && numbers.Length == sums.Length * length, "Whole segments of whole registers.");
        fixed (float* n = numbers, s = sums)
        {
            switch (SimdSupport.Active)
            {
                case SimdWidth.Bits512: SumWide<Vector512<float>, Simd512>(n, length, s, sums.Length); break;
                case SimdWidth.Bits256: SumWide<Vector256<float>, Simd256>(n, length, s, sums.Length); break;
                case SimdWidth.Bits128: SumWide<Vector128<float>, Simd128>(n, length, s, sums.Length); break;
                default:
                    sums.Clear();
                    for (int i = 0; i < numbers.Length; i++)
                        s[i / length] += n[i];
                    break;
            }
        }
    }

    /// <summary>Adds addends[i] to all numbers of segment i.</summary>
    /// <param name="numbers">Segments one after the other; added to.</param>
    /// <param name="length">Numbers of a segment, a multiple of 32.</param>
    /// <param name="addends">A number per segment.</param>
    public static void Add(Span<float> numbers, int length, ReadOnlySpan<float> addends)
    {
        Debug.Assert(length % 32 == 0 && numbers.Length == addends.Length * length, "Whole segments of whole registers.");
        fixed (float* n = numbers, a = addends)
        {
            switch (SimdSupport.Active)
            {
                case SimdWidth.Bits512: AddWide<Vector512<float>, Simd512>(n, length, a, addends.Length); break;
                case SimdWidth.Bits256: AddWide<Vector256<float>, Simd256>(n, length, a, addends.Length); break;
                case SimdWidth.Bits128: AddWide<Vector128<float>, Simd128>(n, length, a, addends.Length); break;
                default:
                    for (int i = 0; i < numbers.Length; i++)
                        n[i] += a[i / length];
                    break;
            }
        }
    }

    // Four segments at a time, as Sums takes registers; of fewer the last one again.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void SumWide<TVector, TSimd>(float* numbers, int length, float* sums, int count)
        where TVector : struct
        where TSimd : IRowSimd<TVector>
    {
        for (int i = 0; i < count; i += 4)
        {
            float* a = numbers + ((nint)i * length), b = i + 1 < count ? a + length : a, c = i + 2 < count ? b + length : b, d = i + 3 < count ? c + length : c;
            TVector sumA = TSimd.Zero, sumB = TSimd.Zero, sumC = TSimd.Zero, sumD = TSimd.Zero;
            for (int at = 0; at < length; at += TSimd.Lanes)
            {
                sumA = TSimd.Add(sumA, TSimd.Load(a + at));
                sumB = TSimd.Add(sumB, TSimd.Load(b + at));
                sumC = TSimd.Add(sumC, TSimd.Load(c + at));
                sumD = TSimd.Add(sumD, TSimd.Load(d + at));
            }

            Vector128<float> four = TSimd.Sums(sumA, sumB, sumC, sumD);
            if (i + 4 <= count)
                four.Store(sums + i);
            for (int k = 0; i + 4 > count && i + k < count; k++)
                sums[i + k] = four[k];
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void AddWide<TVector, TSimd>(float* numbers, int length, float* addends, int count)
        where TVector : struct
        where TSimd : IRowSimd<TVector>
    {
        for (float* end = addends + count; addends < end; addends++)
        {
            TVector addend = TSimd.Broadcast(*addends);
            for (float* next = numbers + length; numbers < next; numbers += TSimd.Lanes)
                TSimd.Store(TSimd.Add(TSimd.Load(numbers), addend), numbers);
        }
    }
}
