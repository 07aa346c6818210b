using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Kvant.Kernels;
using Kvant.Models.Formats;

namespace Kvant.Models.Kernels;

/// <summary>Products of rows of codes, as they lie in their file, with a few rounded vectors: what decoding a token is made of.</summary>
/// <remarks>
/// Lanes run along the columns. The scales of a row come first, all of them, and meet those of the vector; then the codes of each run meet its
/// integers, 16 bits by 16 bits, and the sum of a run, which is exact and fits 32 bits, meets the scale of both. Shifts, and what is subtracted from
/// all codes, meet the sums of the vector's runs. The scalar loop is the definition; the widths differ from it in the order of their float sums alone.
/// </remarks>
internal static class RowProducts
{
    /// <summary>Floats of scratch for each run of a row.</summary>
    internal const int ScratchPerRun = 5;

    private const int Together = 8;

    /// <summary>Multiplies.</summary>
    /// <param name="rows">Whole rows, one after the other.</param>
    /// <param name="count">How many.</param>
    /// <param name="vectors">What they are multiplied by.</param>
    /// <param name="products">Receives [vector, row]; from one vector to the next it is <paramref name="stride"/>.</param>
    /// <param name="stride">As many as there are rows, or more.</param>
    /// <param name="scratch"><see cref="ScratchPerRun"/> for each run of a row.</param>
    /// <param name="width">The registers to use.</param>
    internal static void Multiply<TFormat>(ReadOnlySpan<byte> rows, int count, RoundedVectors vectors, Span<float> products, int stride, Span<float> scratch, SimdWidth width)
        where TFormat : struct, ICodeFormat
    {
        switch (width)
        {
            // 512 bits at a time are no faster where they are two halves to the processor, as on Zen 4: docs/decisions/0020 has the numbers.
            case SimdWidth.Bits512 or SimdWidth.Bits256: Wide<TFormat, Vector256<float>, ProductSimd256>(rows, count, vectors, products, stride, scratch); break;
            case SimdWidth.Bits128: Wide<TFormat, Vector128<float>, ProductSimd128>(rows, count, vectors, products, stride, scratch); break;
            default: Scalar<TFormat>(rows, count, vectors, products, stride, scratch); break;
        }
    }

    private static void Scalar<TFormat>(ReadOnlySpan<byte> rows, int count, RoundedVectors vectors, Span<float> products, int stride, Span<float> scratch)
        where TFormat : struct, ICodeFormat
    {
        int runs = vectors.Runs, rowBytes = rows.Length / count;
        Span<float> scales = scratch[..(2 * runs)], shifts = scratch.Slice(2 * runs, runs);
        for (int row = 0; row < count; row++)
        {
            ref byte blocks = ref MemoryMarshal.GetReference(rows[(row * rowBytes)..]);
            TFormat.ReadScales(ref blocks, runs, ref scales[0], ref shifts[0]);
            for (int vector = 0; vector < vectors.Count; vector++)
            {
                float product = 0;
                for (int run = 0; run < runs; run++)
                {
                    RunCodes codes = TFormat.ReadCodes(ref blocks, run);
                    int place = (vector * runs) + run, first = 0, last = 0;
                    ReadOnlySpan<short> numbers = vectors.Numbers.AsSpan(place * RoundedVectors.Run, RoundedVectors.Run);
                    for (int i = 0; i < 16; i++)
                    {
                        first += (codes.First[i] - TFormat.Offset) * numbers[i];
                        last += (codes.Last[i] - TFormat.Offset) * numbers[i + 16];
                    }

                    float scale = vectors.Scales[place];
                    product += TFormat.ScalesPerRun == 1 ? (first + last) * (scales[run] * scale) : (first * (scales[2 * run] * scale)) + (last * (scales[(2 * run) + 1] * scale));
                    if (TFormat.HasShifts)
                        product += shifts[run] * vectors.Sums[place];
                }

                products[(vector * stride) + row] = product;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Wide<TFormat, TVector, TSimd>(ReadOnlySpan<byte> rows, int count, RoundedVectors vectors, Span<float> products, int stride, Span<float> scratch)
        where TFormat : struct, ICodeFormat
        where TVector : struct
        where TSimd : IProductSimd<TVector>
    {
        int runs = vectors.Runs, rowBytes = rows.Length / count;
        ref float scales = ref scratch[0], shifts = ref scratch[2 * runs], factors = ref scratch[3 * runs];
        ref byte blocks = ref MemoryMarshal.GetReference(rows);
        for (int row = 0; row < count; row++, blocks = ref Unsafe.Add(ref blocks, rowBytes))
        {
            TFormat.ReadScales(ref blocks, runs, ref scales, ref shifts);
            ref short numbers = ref MemoryMarshal.GetArrayDataReference(vectors.Numbers);
            for (int vector = 0; vector < vectors.Count; vector++)
            {
                Join<TFormat>(ref scales, ref vectors.Scales[vector * runs], runs, ref factors);
                TVector even = TSimd.Zero, odd = TSimd.Zero;
                ref byte block = ref blocks;
                ref float factor = ref factors;
                int left = runs;
                // Eight at a time, so that the places of a block's parts are constants.
                for (; left >= Together; left -= Together)
                {
                    Add<TFormat, TVector, TSimd>(ref even, ref block, 0, ref numbers, ref factor);
                    Add<TFormat, TVector, TSimd>(ref odd, ref block, 1, ref numbers, ref factor);
                    Add<TFormat, TVector, TSimd>(ref even, ref block, 2, ref numbers, ref factor);
                    Add<TFormat, TVector, TSimd>(ref odd, ref block, 3, ref numbers, ref factor);
                    Add<TFormat, TVector, TSimd>(ref even, ref block, 4, ref numbers, ref factor);
                    Add<TFormat, TVector, TSimd>(ref odd, ref block, 5, ref numbers, ref factor);
                    Add<TFormat, TVector, TSimd>(ref even, ref block, 6, ref numbers, ref factor);
                    Add<TFormat, TVector, TSimd>(ref odd, ref block, 7, ref numbers, ref factor);
                    block = ref Unsafe.Add(ref block, Together * RoundedVectors.Run / TFormat.BlockLength * TFormat.BlockBytes);
                    numbers = ref Unsafe.Add(ref numbers, Together * RoundedVectors.Run);
                    factor = ref Unsafe.Add(ref factor, Together * TFormat.ScalesPerRun);
                }

                for (int run = 0; run < left; run++)
                    Add<TFormat, TVector, TSimd>(ref even, ref block, run, ref numbers, ref factor);
                numbers = ref Unsafe.Add(ref numbers, left * RoundedVectors.Run);
                float product = TSimd.Sum(even, odd);
                if (TFormat.HasShifts) product += Dot(ref shifts, ref vectors.Sums[vector * runs], runs);
                if (TFormat.Offset != 0) product -= TFormat.Offset * Dot(ref scales, ref vectors.Sums[vector * runs], runs);
                products[(vector * stride) + row] = product;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add<TFormat, TVector, TSimd>(ref TVector sum, ref byte block, int run, ref short numbers, ref float factors)
        where TFormat : struct, ICodeFormat
        where TVector : struct
        where TSimd : IProductSimd<TVector>
    {
        numbers = ref Unsafe.Add(ref numbers, run * RoundedVectors.Run);
        sum = TFormat.ScalesPerRun == 1
            ? TSimd.Add<TFormat>(sum, ref block, run, ref numbers, Unsafe.Add(ref factors, run))
            : TSimd.Add<TFormat>(sum, ref block, run, ref numbers, Unsafe.Add(ref factors, 2 * run), Unsafe.Add(ref factors, (2 * run) + 1));
    }

    // The scales of the row times those of the vector.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Join<TFormat>(ref float scales, ref float ofVector, int runs, ref float factors)
        where TFormat : struct, ICodeFormat
    {
        int run = 0;
        for (; run + Together <= runs; run += Together)
        {
            Vector256<float> eight = Vector256.LoadUnsafe(ref ofVector, (nuint)run);
            nuint at = (nuint)(run * TFormat.ScalesPerRun);
            if (TFormat.ScalesPerRun == 1)
            {
                (Vector256.LoadUnsafe(ref scales, at) * eight).StoreUnsafe(ref factors, at);
                continue;
            }

            (Vector256.LoadUnsafe(ref scales, at) * Vector256.Shuffle(eight, Vector256.Create(0, 0, 1, 1, 2, 2, 3, 3))).StoreUnsafe(ref factors, at);
            (Vector256.LoadUnsafe(ref scales, at + 8) * Vector256.Shuffle(eight, Vector256.Create(4, 4, 5, 5, 6, 6, 7, 7))).StoreUnsafe(ref factors, at + 8);
        }

        for (; run < runs; run++)
        {
            for (int i = run * TFormat.ScalesPerRun; i < (run + 1) * TFormat.ScalesPerRun; i++)
                Unsafe.Add(ref factors, i) = Unsafe.Add(ref scales, i) * Unsafe.Add(ref ofVector, run);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Dot(ref float a, ref float b, int count)
    {
        Vector256<float> sums = Vector256<float>.Zero;
        int i = 0;
        for (; i + 8 <= count; i += 8)
            sums = Vector256.MultiplyAddEstimate(Vector256.LoadUnsafe(ref a, (nuint)i), Vector256.LoadUnsafe(ref b, (nuint)i), sums);
        float sum = Vector256.Sum(sums);
        for (; i < count; i++)
            sum += Unsafe.Add(ref a, i) * Unsafe.Add(ref b, i);
        return sum;
    }
}
