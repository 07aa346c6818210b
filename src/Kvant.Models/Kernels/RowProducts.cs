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
    // Rows that meet a vector together: two sums of each keep the multipliers busy, and the vector's numbers are loaded once for both. Four were no faster, and too
    // much for what the runtime is willing to compile into one method.
    private const int Rows = 2;

    private const int Together = 8;

    /// <summary>Floats of scratch that a product needs.</summary>
    internal static int ScratchFloats(int columns)
    {
        int runs = columns / RoundedVectors.Run;
        return Rows * ((3 * runs) + (2 * (runs + Together)));
    }

    /// <summary>Multiplies.</summary>
    /// <param name="rows">Whole rows, one after the other.</param>
    /// <param name="count">How many.</param>
    /// <param name="vectors">What they are multiplied by.</param>
    /// <param name="products">Receives [vector, row]; from one vector to the next it is <paramref name="stride"/>.</param>
    /// <param name="stride">As many as there are rows, or more.</param>
    /// <param name="scratch"><see cref="ScratchFloats"/>.</param>
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
        ref float scales = ref scratch[0], shifts = ref scratch[2 * Rows * runs], factors = ref scratch[3 * Rows * runs];
        for (int row = 0; row < count; row += Rows)
        {
            int group = Math.Min(Rows, count - row);
            ref byte blocks = ref Unsafe.Add(ref MemoryMarshal.GetReference(rows), row * rowBytes);
            for (int i = 0; i < group; i++)
                TFormat.ReadScales(ref Unsafe.Add(ref blocks, i * rowBytes), runs, ref Unsafe.Add(ref scales, 2 * i * runs), ref Unsafe.Add(ref shifts, i * runs));
            for (int vector = 0; vector < vectors.Count; vector++)
            {
                ref float ofVector = ref vectors.Scales[vector * runs], sums = ref vectors.Sums[vector * runs], product = ref products[(vector * stride) + row];
                ref short numbers = ref vectors.Numbers[vector * runs * RoundedVectors.Run];
                for (int i = 0; i < group; i++)
                    Join<TFormat>(ref Unsafe.Add(ref scales, 2 * i * runs), ref ofVector, runs, ref Unsafe.Add(ref factors, i * Together * TFormat.ScalesPerRun));
                if (group == Rows)
                    Two<TFormat, TVector, TSimd>(ref blocks, rowBytes, runs, ref numbers, ref factors, ref product);
                else
                    One<TFormat, TVector, TSimd>(ref blocks, runs, ref numbers, ref factors, ref product);

                for (int i = 0; i < group; i++)
                {
                    if (TFormat.HasShifts) Unsafe.Add(ref product, i) += Dot(ref Unsafe.Add(ref shifts, i * runs), ref sums, runs);
                    if (TFormat.Offset != 0) Unsafe.Add(ref product, i) -= TFormat.Offset * Dot(ref Unsafe.Add(ref scales, 2 * i * runs), ref sums, runs);
                }
            }
        }
    }

    // A method of its own, so that the runtime keeps all sums in registers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Two<TFormat, TVector, TSimd>(ref byte blocks, int rowBytes, int runs, ref short numbers, ref float factors, ref float products)
        where TFormat : struct, ICodeFormat
        where TVector : struct
        where TSimd : IProductSimd<TVector>
    {
        ref byte second = ref Unsafe.Add(ref blocks, rowBytes);
        TVector a = TSimd.Zero, b = TSimd.Zero, c = TSimd.Zero, d = TSimd.Zero;
        // Eight at a time, so that the places of a block's parts are constants.
        for (; runs >= Together; runs -= Together)
        {
            a = Add<TFormat, TVector, TSimd>(a, ref blocks, 0, ref numbers, ref factors, 0);
            b = Add<TFormat, TVector, TSimd>(b, ref second, 0, ref numbers, ref factors, 1);
            c = Add<TFormat, TVector, TSimd>(c, ref blocks, 1, ref numbers, ref factors, 0);
            d = Add<TFormat, TVector, TSimd>(d, ref second, 1, ref numbers, ref factors, 1);
            a = Add<TFormat, TVector, TSimd>(a, ref blocks, 2, ref numbers, ref factors, 0);
            b = Add<TFormat, TVector, TSimd>(b, ref second, 2, ref numbers, ref factors, 1);
            c = Add<TFormat, TVector, TSimd>(c, ref blocks, 3, ref numbers, ref factors, 0);
            d = Add<TFormat, TVector, TSimd>(d, ref second, 3, ref numbers, ref factors, 1);
            a = Add<TFormat, TVector, TSimd>(a, ref blocks, 4, ref numbers, ref factors, 0);
            b = Add<TFormat, TVector, TSimd>(b, ref second, 4, ref numbers, ref factors, 1);
            c = Add<TFormat, TVector, TSimd>(c, ref blocks, 5, ref numbers, ref factors, 0);
            d = Add<TFormat, TVector, TSimd>(d, ref second, 5, ref numbers, ref factors, 1);
            a = Add<TFormat, TVector, TSimd>(a, ref blocks, 6, ref numbers, ref factors, 0);
            b = Add<TFormat, TVector, TSimd>(b, ref second, 6, ref numbers, ref factors, 1);
            c = Add<TFormat, TVector, TSimd>(c, ref blocks, 7, ref numbers, ref factors, 0);
            d = Add<TFormat, TVector, TSimd>(d, ref second, 7, ref numbers, ref factors, 1);
            blocks = ref Unsafe.Add(ref blocks, PieceBytes<TFormat>());
            second = ref Unsafe.Add(ref second, PieceBytes<TFormat>());
            numbers = ref Unsafe.Add(ref numbers, Together * RoundedVectors.Run);
            factors = ref Unsafe.Add(ref factors, Rows * Together * TFormat.ScalesPerRun);
        }

        for (int run = 0; run < runs; run++)
        {
            a = Add<TFormat, TVector, TSimd>(a, ref blocks, run, ref numbers, ref factors, 0);
            b = Add<TFormat, TVector, TSimd>(b, ref second, run, ref numbers, ref factors, 1);
        }

        products = TSimd.Sum(a, c);
        Unsafe.Add(ref products, 1) = TSimd.Sum(b, d);
    }

    // The last of a matrix.
    private static void One<TFormat, TVector, TSimd>(ref byte blocks, int runs, ref short numbers, ref float factors, ref float product)
        where TFormat : struct, ICodeFormat
        where TVector : struct
        where TSimd : IProductSimd<TVector>
    {
        TVector sum = TSimd.Zero;
        for (int run = 0; run < runs; run++, numbers = ref Unsafe.Add(ref numbers, RoundedVectors.Run))
            sum = TSimd.Add<TFormat>(sum, TFormat.ReadCodes(ref blocks, run), Vector256.LoadUnsafe(ref numbers), Vector256.LoadUnsafe(ref numbers, 16), ref Unsafe.Add(ref factors, Factor<TFormat>(run)));
        product = TSimd.Sum(sum, TSimd.Zero);
    }

    // Where the factors of a run lie: eight runs of four rows side by side.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Factor<TFormat>(int run)
        where TFormat : struct, ICodeFormat => ((run / Together * Together * Rows) + (run % Together)) * TFormat.ScalesPerRun;

    // Bytes of the runs that are taken together.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int PieceBytes<TFormat>()
        where TFormat : struct, ICodeFormat => Together * RoundedVectors.Run / TFormat.BlockLength * TFormat.BlockBytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Add<TFormat, TVector, TSimd>(TVector sum, ref byte blocks, int run, ref short numbers, ref float factors, int row)
        where TFormat : struct, ICodeFormat
        where TVector : struct
        where TSimd : IProductSimd<TVector>
    {
        numbers = ref Unsafe.Add(ref numbers, run * RoundedVectors.Run);
        factors = ref Unsafe.Add(ref factors, ((row * Together) + run) * TFormat.ScalesPerRun);
        return TSimd.Add<TFormat>(sum, TFormat.ReadCodes(ref blocks, run), Vector256.LoadUnsafe(ref numbers), Vector256.LoadUnsafe(ref numbers, 16), ref factors);
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
            nuint from = (nuint)(run * TFormat.ScalesPerRun), to = (nuint)(run * TFormat.ScalesPerRun * Rows);
            if (TFormat.ScalesPerRun == 1)
            {
                (Vector256.LoadUnsafe(ref scales, from) * eight).StoreUnsafe(ref factors, to);
                continue;
            }

            (Vector256.LoadUnsafe(ref scales, from) * Vector256.Shuffle(eight, Vector256.Create(0, 0, 1, 1, 2, 2, 3, 3))).StoreUnsafe(ref factors, to);
            (Vector256.LoadUnsafe(ref scales, from + 8) * Vector256.Shuffle(eight, Vector256.Create(4, 4, 5, 5, 6, 6, 7, 7))).StoreUnsafe(ref factors, to + 8);
        }

        for (; run < runs; run++)
        {
            ref float to = ref Unsafe.Add(ref factors, Factor<TFormat>(run));
            for (int i = 0; i < TFormat.ScalesPerRun; i++)
                Unsafe.Add(ref to, i) = Unsafe.Add(ref scales, (run * TFormat.ScalesPerRun) + i) * Unsafe.Add(ref ofVector, run);
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
