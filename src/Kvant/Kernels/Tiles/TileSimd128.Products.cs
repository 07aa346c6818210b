using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace Kvant.Kernels;

/// <summary>
/// Products of bytes on Arm. Most processors add four of them to a lane of 32 bits in one instruction (SDOT, UDOT), which takes the word of a register from
/// any place of another; the others multiply to 16 bits (SMULL, UMULL), add up there what fits and then neighbors.
/// </summary>
internal readonly unsafe partial struct TileSimd128
{
    public static bool AddsProducts => AdvSimd.Arm64.IsSupported;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> AddProducts(Vector128<byte> sums, int* words, Vector128<byte> a, Vector128<byte> b, Vector128<byte> c, Vector128<byte> d)
    {
        if (Dp.IsSupported)
        {
            Vector128<sbyte> w = Vector128.Load((sbyte*)words);
            Vector128<int> sum = Dp.DotProductBySelectedQuadruplet(sums.AsInt32(), a.AsSByte(), w, 0);
            sum = Dp.DotProductBySelectedQuadruplet(sum, b.AsSByte(), w, 1);
            sum = Dp.DotProductBySelectedQuadruplet(sum, c.AsSByte(), w, 2);
            return Dp.DotProductBySelectedQuadruplet(sum, d.AsSByte(), w, 3).AsByte();
        }

        if (!AdvSimd.Arm64.IsSupported)
            throw new UnreachableException();
        return (sums.AsInt32() + Products(a.AsSByte(), b.AsSByte(), c.AsSByte(), d.AsSByte(), (sbyte*)words)).AsByte();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> AddUnsignedProducts(Vector128<byte> sums, int* words, Vector128<byte> a, Vector128<byte> b, Vector128<byte> c, Vector128<byte> d)
    {
        if (Dp.IsSupported)
        {
            Vector128<byte> w = Vector128.Load((byte*)words);
            Vector128<uint> sum = Dp.DotProductBySelectedQuadruplet(sums.AsUInt32(), a, w, 0);
            sum = Dp.DotProductBySelectedQuadruplet(sum, b, w, 1);
            sum = Dp.DotProductBySelectedQuadruplet(sum, c, w, 2);
            return Dp.DotProductBySelectedQuadruplet(sum, d, w, 3).AsByte();
        }

        if (!AdvSimd.Arm64.IsSupported)
            throw new UnreachableException();
        return (sums.AsUInt32() + UnsignedProducts(a, b, c, d, words)).AsByte();
    }

    // Four products of a level with a number of a query fit 16 bits; those of neighbors, beside each other, would be too many.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Products(Vector128<sbyte> a, Vector128<sbyte> b, Vector128<sbyte> c, Vector128<sbyte> d, sbyte* words)
    {
        Vector128<sbyte> w = Word(words), x = Word(words + 4), y = Word(words + 8), z = Word(words + 12);
        Vector128<short> low = AdvSimd.MultiplyWideningLower(a.GetLower(), w.GetLower()), high = AdvSimd.MultiplyWideningUpper(a, w);
        low = AdvSimd.MultiplyWideningLowerAndAdd(low, b.GetLower(), x.GetLower());
        high = AdvSimd.MultiplyWideningUpperAndAdd(high, b, x);
        low = AdvSimd.MultiplyWideningLowerAndAdd(low, c.GetLower(), y.GetLower());
        high = AdvSimd.MultiplyWideningUpperAndAdd(high, c, y);
        low = AdvSimd.MultiplyWideningLowerAndAdd(low, d.GetLower(), z.GetLower());
        high = AdvSimd.MultiplyWideningUpperAndAdd(high, d, z);
        return AdvSimd.Arm64.AddPairwise(AdvSimd.AddPairwiseWidening(low), AdvSimd.AddPairwiseWidening(high));

        static Vector128<sbyte> Word(sbyte* word) => Vector128.Create(*(int*)word).AsSByte();
    }

    // Unsigned levels are twice as large as signed ones, and what is unsigned has one bit more: as everywhere two registers are added up in 16 bits.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> UnsignedProducts(Vector128<byte> a, Vector128<byte> b, Vector128<byte> c, Vector128<byte> d, int* words)
    {
        Vector128<byte> w = Broadcast(words), x = Broadcast(words + 1), y = Broadcast(words + 2), z = Broadcast(words + 3);
        Vector128<ushort> low = AdvSimd.MultiplyWideningLowerAndAdd(AdvSimd.MultiplyWideningLower(a.GetLower(), w.GetLower()), b.GetLower(), x.GetLower());
        Vector128<ushort> high = AdvSimd.MultiplyWideningUpperAndAdd(AdvSimd.MultiplyWideningUpper(a, w), b, x);
        Vector128<ushort> moreLow = AdvSimd.MultiplyWideningLowerAndAdd(AdvSimd.MultiplyWideningLower(c.GetLower(), y.GetLower()), d.GetLower(), z.GetLower());
        Vector128<ushort> moreHigh = AdvSimd.MultiplyWideningUpperAndAdd(AdvSimd.MultiplyWideningUpper(c, y), d, z);
        return AdvSimd.Arm64.AddPairwise(
            AdvSimd.AddPairwiseWideningAndAdd(AdvSimd.AddPairwiseWidening(low), moreLow), AdvSimd.AddPairwiseWideningAndAdd(AdvSimd.AddPairwiseWidening(high), moreHigh));
    }
}
