using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Kvant.Kernels;
using Kvant.Models.Formats;

namespace Kvant.Models.Kernels;

/// <summary>Products of a <see cref="Bundle"/> with a few rounded vectors.</summary>
/// <remarks>Lanes are rows: words of two columns meet two numbers of the vector, which are broadcast, and there is no sum across lanes. Sums of
/// integers run over the columns that share a scale, begin at what the offset of the codes takes away, and are exact.</remarks>
internal static class BundleProducts
{
    /// <summary>Multiplies.</summary>
    /// <param name="bundle">The rows.</param>
    /// <param name="group">The first group of them.</param>
    /// <param name="rows">How many rows, whole groups but for the last one of the matrix.</param>
    /// <param name="vectors">What they are multiplied by.</param>
    /// <param name="products">Receives [vector, row]; from one vector to the next it is <paramref name="stride"/>.</param>
    /// <param name="stride">As many as there are rows, or more.</param>
    internal static void Multiply<TFormat>(Bundle bundle, int group, int rows, RoundedVectors vectors, Span<float> products, int stride)
        where TFormat : struct, ICodeFormat
    {
        switch (bundle.Width)
        {
            case SimdWidth.Bits512: Wide<TFormat, Vector512<float>, PanelSimd512>(bundle, group, rows, vectors, products, stride); break;
            case SimdWidth.Bits256: Wide<TFormat, Vector256<float>, PanelSimd256>(bundle, group, rows, vectors, products, stride); break;
            case SimdWidth.Bits128: Wide<TFormat, Vector128<float>, PanelSimd128>(bundle, group, rows, vectors, products, stride); break;
            default: Scalar<TFormat>(bundle, group, rows, vectors, products, stride); break;
        }
    }

    private static void Scalar<TFormat>(Bundle bundle, int group, int rows, RoundedVectors vectors, Span<float> products, int stride)
        where TFormat : struct, ICodeFormat
    {
        int lanes = bundle.Lanes, columns = RoundedVectors.Run / TFormat.ScalesPerRun;
        for (int i = 0; i < rows * vectors.Count; i++)
        {
            int row = i % rows, vector = i / rows, count;
            ref byte piece = ref bundle.Group(group + (row / lanes));
            float product = 0;
            for (int run = 0; run < vectors.Runs; run += count, piece = ref Unsafe.Add(ref piece, BundleShape<TFormat>.PieceBytes(count, lanes)))
            {
                count = Math.Min(BundleShape<TFormat>.PieceRuns, vectors.Runs - run);
                for (int part = 0; part < count * TFormat.ScalesPerRun; part++)
                {
                    int of = part / TFormat.ScalesPerRun, sum = 0, place = (vector * vectors.Runs) + run + of;
                    for (int column = part % TFormat.ScalesPerRun * columns; column < ((part % TFormat.ScalesPerRun) + 1) * columns; column++)
                    {
                        int code = BundleCodes.Read(ref Unsafe.Add(ref piece, BundleShape<TFormat>.CodesAt(count, lanes) + (of * BundleShape<TFormat>.RunBytes(lanes))), TFormat.CodeBits, lanes, row % lanes, column);
                        sum += (code + TFormat.Least - TFormat.Offset) * vectors.Numbers[(place * RoundedVectors.Run) + column];
                    }

                    product += sum * (Factor(ref piece, of, 0) * Unit(ref piece, part) * vectors.Scales[place]);
                    if (TFormat.HasShifts && part % TFormat.ScalesPerRun == 0)
                        product += Factor(ref piece, of, 1) * Unit(ref piece, (count * TFormat.ScalesPerRun) + of) * vectors.Sums[place];
                }
            }

            products[(vector * stride) + row] = product;

            float Factor(ref byte piece, int run, int which) =>
                BlockMath.Half(ref Unsafe.Add(ref piece, (((((run * RoundedVectors.Run / TFormat.BlockLength) * BundleShape<TFormat>.Factors) + which) * lanes) + (row % lanes)) * sizeof(short)));

            float Unit(ref byte piece, int unit) =>
                BundleShape<TFormat>.Units == 0 ? 1 : (sbyte)Unsafe.Add(ref piece, BundleShape<TFormat>.UnitsAt(count, lanes) + (unit * lanes) + (row % lanes));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Wide<TFormat, TVector, TSimd>(Bundle bundle, int group, int rows, RoundedVectors vectors, Span<float> products, int stride)
        where TFormat : struct, ICodeFormat
        where TVector : struct
        where TSimd : IPanelSimd<TVector>
    {
        int lanes = TSimd.Lanes, runs = vectors.Runs;
        for (int row = 0; row < rows; row += lanes, group++)
        {
            int vector = 0;
            for (; vector + BundleFours.Vectors <= vectors.Count; vector += BundleFours.Vectors)
            {
                Four<TVector> sums = default;
                ref byte piece = ref bundle.Group(group);
                for (int run = 0; run < runs; run += BundleShape<TFormat>.PieceRuns)
                {
                    int count = Math.Min(BundleShape<TFormat>.PieceRuns, runs - run);
                    BundleFours.Add<TFormat, TVector, TSimd>(ref sums, ref piece, count, vectors, (vector * runs) + run);
                    piece = ref Unsafe.Add(ref piece, BundleShape<TFormat>.PieceBytes(count, lanes));
                }

                Store<TVector, TSimd>(sums.A, products[((vector * stride) + row)..], rows - row);
                Store<TVector, TSimd>(sums.B, products[(((vector + 1) * stride) + row)..], rows - row);
                Store<TVector, TSimd>(sums.C, products[(((vector + 2) * stride) + row)..], rows - row);
                Store<TVector, TSimd>(sums.D, products[(((vector + 3) * stride) + row)..], rows - row);
            }

            for (; vector < vectors.Count; vector++)
            {
                TVector sum = default;
                ref byte piece = ref bundle.Group(group);
                for (int run = 0; run < runs; run += BundleShape<TFormat>.PieceRuns)
                {
                    int count = Math.Min(BundleShape<TFormat>.PieceRuns, runs - run);
                    if (TFormat.BlockLength == RoundedVectors.Run) AddRuns<TFormat, TVector, TSimd>(ref sum, ref piece, count, vectors, (vector * runs) + run);
                    else AddBlock<TFormat, TVector, TSimd>(ref sum, ref piece, vectors, (vector * runs) + run);
                    piece = ref Unsafe.Add(ref piece, BundleShape<TFormat>.PieceBytes(count, lanes));
                }

                Store<TVector, TSimd>(sum, products[((vector * stride) + row)..], rows - row);
            }
        }
    }

    private static void Store<TVector, TSimd>(TVector sums, Span<float> to, int rows)
        where TVector : struct
        where TSimd : IPanelSimd<TVector>
    {
        if (rows >= TSimd.Lanes)
        {
            TSimd.Store(sums, ref to[0]);
            return;
        }

        Span<float> last = stackalloc float[Vector512<float>.Count];
        TSimd.Store(sums, ref last[0]);
        last[..rows].CopyTo(to);
    }

    // A piece whose blocks are runs. A method of its own, for what the runtime inlines in one is limited.
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void AddRuns<TFormat, TVector, TSimd>(ref TVector products, ref byte piece, int runs, RoundedVectors vectors, int place)
        where TFormat : struct, ICodeFormat
        where TVector : struct
        where TSimd : IPanelSimd<TVector>
    {
        TVector sum = products;
        ref byte codes = ref Unsafe.Add(ref piece, BundleShape<TFormat>.CodesAt(runs, TSimd.Lanes));
        ref short numbers = ref At(vectors.Numbers, place * RoundedVectors.Run);
        ref float scale = ref At(vectors.Scales, place), shift = ref At(vectors.Sums, place);
        ref int halves = ref At(vectors.HalfSums, 2 * place);
        for (int run = 0; run < runs; run++)
        {
            TVector integers = TSimd.AddIntegers(
                Half<TFormat, TVector, TSimd>(ref codes, 0, ref numbers, halves), Half<TFormat, TVector, TSimd>(ref codes, 1, ref Unsafe.Add(ref numbers, 16), Unsafe.Add(ref halves, 1)));
            sum = TSimd.AddScaled(sum, integers, TSimd.LoadHalves(ref piece), scale);
            if (TFormat.HasShifts) sum = TSimd.AddProduct(sum, TSimd.LoadHalves(ref Unsafe.Add(ref piece, TSimd.Lanes * sizeof(short))), shift);
            piece = ref Unsafe.Add(ref piece, BundleShape<TFormat>.Factors * TSimd.Lanes * sizeof(short));
            codes = ref Unsafe.Add(ref codes, BundleShape<TFormat>.RunBytes(TSimd.Lanes));
            numbers = ref Unsafe.Add(ref numbers, RoundedVectors.Run);
            scale = ref Unsafe.Add(ref scale, 1);
            shift = ref Unsafe.Add(ref shift, 1);
            halves = ref Unsafe.Add(ref halves, 2);
        }

        products = sum;
    }

    // A piece that is one block of eight runs.
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void AddBlock<TFormat, TVector, TSimd>(ref TVector products, ref byte piece, RoundedVectors vectors, int place)
        where TFormat : struct, ICodeFormat
        where TVector : struct
        where TSimd : IPanelSimd<TVector>
    {
        const int Runs = BundleShape<TFormat>.PieceRuns;
        TVector scaled = default, shifted = default;
        ref byte codes = ref Unsafe.Add(ref piece, BundleShape<TFormat>.CodesAt(Runs, TSimd.Lanes)), units = ref Unsafe.Add(ref piece, BundleShape<TFormat>.UnitsAt(Runs, TSimd.Lanes));
        ref byte shiftUnits = ref Unsafe.Add(ref units, Runs * TFormat.ScalesPerRun * TSimd.Lanes);
        ref short numbers = ref At(vectors.Numbers, place * RoundedVectors.Run);
        ref float scale = ref At(vectors.Scales, place), shift = ref At(vectors.Sums, place);
        ref int halves = ref At(vectors.HalfSums, 2 * place);
        for (int run = 0; run < Runs; run++)
        {
            TVector first = Half<TFormat, TVector, TSimd>(ref codes, 0, ref numbers, halves);
            TVector last = Half<TFormat, TVector, TSimd>(ref codes, 1, ref Unsafe.Add(ref numbers, 16), Unsafe.Add(ref halves, 1));
            if (TFormat.ScalesPerRun == 1) scaled = TSimd.AddScaled(scaled, TSimd.AddIntegers(first, last), TSimd.LoadUnits(ref units), scale);
            else
            {
                scaled = TSimd.AddScaled(scaled, first, TSimd.LoadUnits(ref units), scale);
                scaled = TSimd.AddScaled(scaled, last, TSimd.LoadUnits(ref Unsafe.Add(ref units, TSimd.Lanes)), scale);
            }

            units = ref Unsafe.Add(ref units, TFormat.ScalesPerRun * TSimd.Lanes);
            if (TFormat.HasShifts)
            {
                shifted = TSimd.AddProduct(shifted, TSimd.LoadUnits(ref shiftUnits), shift);
                shiftUnits = ref Unsafe.Add(ref shiftUnits, TSimd.Lanes);
                shift = ref Unsafe.Add(ref shift, 1);
            }

            codes = ref Unsafe.Add(ref codes, BundleShape<TFormat>.RunBytes(TSimd.Lanes));
            numbers = ref Unsafe.Add(ref numbers, RoundedVectors.Run);
            scale = ref Unsafe.Add(ref scale, 1);
            halves = ref Unsafe.Add(ref halves, 2);
        }

        products = TSimd.AddProduct(products, scaled, TSimd.LoadHalves(ref piece));
        if (TFormat.HasShifts) products = TSimd.AddProduct(products, shifted, TSimd.LoadHalves(ref Unsafe.Add(ref piece, TSimd.Lanes * sizeof(short))));
    }

    // The integers of half a run.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Half<TFormat, TVector, TSimd>(ref byte codes, int half, ref short numbers, int sumOfNumbers)
        where TFormat : struct, ICodeFormat
        where TVector : struct
        where TSimd : IPanelSimd<TVector>
    {
        TVector sum = Begin<TFormat, TVector, TSimd>(sumOfNumbers);
        sum = Add<TVector, TSimd>(sum, BundleCodes.Read<TFormat, TVector, TSimd>(ref codes, half, 0), ref numbers);
        return Add<TVector, TSimd>(sum, BundleCodes.Read<TFormat, TVector, TSimd>(ref codes, half, 1), ref Unsafe.Add(ref numbers, 8));
    }

    /// <summary>What the offset of the codes takes away from products with numbers of this sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static TVector Begin<TFormat, TVector, TSimd>(int sumOfNumbers)
        where TFormat : struct, ICodeFormat
        where TVector : struct
        where TSimd : IPanelSimd<TVector> =>
        TFormat.Least == TFormat.Offset ? default : TSimd.Broadcast((TFormat.Least - TFormat.Offset) * sumOfNumbers);

    /// <summary>Adds the products of eight columns with as many numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static TVector Add<TVector, TSimd>(TVector sum, Four<TVector> words, ref short numbers)
        where TVector : struct
        where TSimd : IPanelSimd<TVector>
    {
        sum = TSimd.AddPairs(sum, words.A, ref numbers);
        sum = TSimd.AddPairs(sum, words.B, ref Unsafe.Add(ref numbers, 2));
        sum = TSimd.AddPairs(sum, words.C, ref Unsafe.Add(ref numbers, 4));
        return TSimd.AddPairs(sum, words.D, ref Unsafe.Add(ref numbers, 6));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ref T At<T>(T[] numbers, int place) => ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(numbers), place);
}
