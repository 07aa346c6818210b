using System.Runtime.CompilerServices;
using Kvant.Models.Formats;

namespace Kvant.Models.Kernels;

/// <summary>Four vectors meet a piece of a <see cref="Bundle"/> together, so that its codes are taken apart once for all of them: what many sequences,
/// and guesses that are checked, are made of. The same operations in the same order as for one vector, so the same bits.</summary>
internal static class BundleFours
{
    internal const int Vectors = 4;

    /// <summary>Adds the products of a piece.</summary>
    /// <param name="products">The sums of the four vectors.</param>
    /// <param name="piece">The piece.</param>
    /// <param name="runs">Its runs.</param>
    /// <param name="vectors">All of them.</param>
    /// <param name="place">The first of the runs that the first of the four vectors meets it with.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    internal static void Add<TFormat, TVector, TSimd>(ref Four<TVector> products, ref byte piece, int runs, RoundedVectors vectors, int place)
        where TFormat : struct, ICodeFormat
        where TVector : struct
        where TSimd : IPanelSimd<TVector>
    {
        bool blocks = TFormat.BlockLength != RoundedVectors.Run;
        int lanes = TSimd.Lanes, next = vectors.Runs;
        Four<TVector> sums = blocks ? default : products, shifted = default, integers = default;
        ref byte factors = ref piece, units = ref Unsafe.Add(ref piece, BundleShape<TFormat>.UnitsAt(runs, lanes));
        ref byte shiftUnits = ref Unsafe.Add(ref units, runs * TFormat.ScalesPerRun * lanes), codes = ref Unsafe.Add(ref piece, BundleShape<TFormat>.CodesAt(runs, lanes));
        ref short numbers = ref BundleProducts.At(vectors.Numbers, place * RoundedVectors.Run);
        ref float scale = ref BundleProducts.At(vectors.Scales, place), shift = ref BundleProducts.At(vectors.Sums, place);
        ref int halves = ref BundleProducts.At(vectors.HalfSums, 2 * place);
        for (int run = 0; run < runs; run++)
        {
            for (int half = 0; half < 2; half++)
            {
                if (TFormat.ScalesPerRun == 2 || half == 0) integers = Begin<TFormat, TVector, TSimd>(ref Unsafe.Add(ref halves, half), next);
                integers = AddQuarter<TVector, TSimd>(integers, BundleCodes.Read<TFormat, TVector, TSimd>(ref codes, half, 0), ref numbers, next * RoundedVectors.Run);
                integers = AddQuarter<TVector, TSimd>(integers, BundleCodes.Read<TFormat, TVector, TSimd>(ref codes, half, 1), ref Unsafe.Add(ref numbers, 8), next * RoundedVectors.Run);
                numbers = ref Unsafe.Add(ref numbers, 16);
                if (TFormat.ScalesPerRun == 1 && half == 0) continue;
                sums = AddScaled<TVector, TSimd>(sums, integers, blocks ? TSimd.LoadUnits(ref units) : TSimd.LoadHalves(ref factors), ref scale, next);
                units = ref Unsafe.Add(ref units, lanes);
            }

            if (TFormat.HasShifts && blocks) shifted = AddProduct<TVector, TSimd>(shifted, TSimd.LoadUnits(ref shiftUnits), ref shift, next);
            else if (TFormat.HasShifts) sums = AddProduct<TVector, TSimd>(sums, TSimd.LoadHalves(ref Unsafe.Add(ref factors, lanes * sizeof(short))), ref shift, next);
            shiftUnits = ref Unsafe.Add(ref shiftUnits, lanes);
            if (!blocks) factors = ref Unsafe.Add(ref factors, BundleShape<TFormat>.Factors * lanes * sizeof(short));
            codes = ref Unsafe.Add(ref codes, BundleShape<TFormat>.RunBytes(lanes));
            scale = ref Unsafe.Add(ref scale, 1);
            shift = ref Unsafe.Add(ref shift, 1);
            halves = ref Unsafe.Add(ref halves, 2);
        }

        if (blocks)
        {
            sums = AddProduct<TVector, TSimd>(products, sums, TSimd.LoadHalves(ref piece));
            if (TFormat.HasShifts) sums = AddProduct<TVector, TSimd>(sums, shifted, TSimd.LoadHalves(ref Unsafe.Add(ref piece, lanes * sizeof(short))));
        }

        products = sums;
    }

    // Where a run has one scale, its halves add up together.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Four<TVector> Begin<TFormat, TVector, TSimd>(ref int halves, int next)
        where TFormat : struct, ICodeFormat
        where TVector : struct
        where TSimd : IPanelSimd<TVector>
    {
        return new(Of(ref halves), Of(ref Unsafe.Add(ref halves, 2 * next)), Of(ref Unsafe.Add(ref halves, 4 * next)), Of(ref Unsafe.Add(ref halves, 6 * next)));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static TVector Of(ref int halves) => BundleProducts.Begin<TFormat, TVector, TSimd>(TFormat.ScalesPerRun == 2 ? halves : halves + Unsafe.Add(ref halves, 1));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Four<TVector> AddQuarter<TVector, TSimd>(Four<TVector> sums, Four<TVector> words, ref short numbers, int next)
        where TVector : struct
        where TSimd : IPanelSimd<TVector> => new(
            BundleProducts.Add<TVector, TSimd>(sums.A, words, ref numbers), BundleProducts.Add<TVector, TSimd>(sums.B, words, ref Unsafe.Add(ref numbers, next)),
            BundleProducts.Add<TVector, TSimd>(sums.C, words, ref Unsafe.Add(ref numbers, 2 * next)), BundleProducts.Add<TVector, TSimd>(sums.D, words, ref Unsafe.Add(ref numbers, 3 * next)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Four<TVector> AddScaled<TVector, TSimd>(Four<TVector> sums, Four<TVector> integers, TVector scales, ref float factor, int next)
        where TVector : struct
        where TSimd : IPanelSimd<TVector> => new(
            TSimd.AddScaled(sums.A, integers.A, scales, factor), TSimd.AddScaled(sums.B, integers.B, scales, Unsafe.Add(ref factor, next)),
            TSimd.AddScaled(sums.C, integers.C, scales, Unsafe.Add(ref factor, 2 * next)), TSimd.AddScaled(sums.D, integers.D, scales, Unsafe.Add(ref factor, 3 * next)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Four<TVector> AddProduct<TVector, TSimd>(Four<TVector> sums, TVector shifts, ref float factor, int next)
        where TVector : struct
        where TSimd : IPanelSimd<TVector> => new(
            TSimd.AddProduct(sums.A, shifts, factor), TSimd.AddProduct(sums.B, shifts, Unsafe.Add(ref factor, next)),
            TSimd.AddProduct(sums.C, shifts, Unsafe.Add(ref factor, 2 * next)), TSimd.AddProduct(sums.D, shifts, Unsafe.Add(ref factor, 3 * next)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Four<TVector> AddProduct<TVector, TSimd>(Four<TVector> sums, Four<TVector> a, TVector b)
        where TVector : struct
        where TSimd : IPanelSimd<TVector> => new(TSimd.AddProduct(sums.A, a.A, b), TSimd.AddProduct(sums.B, a.B, b), TSimd.AddProduct(sums.C, a.C, b), TSimd.AddProduct(sums.D, a.D, b));
}
