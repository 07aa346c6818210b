using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Codes that could be looked up on the way are looked up ahead, once for many queries.</summary>
internal readonly unsafe struct TileBitsAhead<TBits> : ITileBits
    where TBits : ITileBits
{
    public static int Bits => TBits.Bits;

    public static int Summands => TBits.Summands;

    public static void Begin<TVector, TSimd>(in TileUnits units)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void LookAhead<TVector, TSimd>(in TileUnits units)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        TVector first = TSimd.Load(units.Tables), second = TSimd.Load(units.Tables + TileTable.Length);
        byte* unit = units.First + units.Part, levels = units.Levels;
        for (int u = 0; u < units.Count; u++, unit += units.Stride, levels += 8 * TSimd.Bytes)
        {
            TBits.Unpack<TVector, TSimd>(
                unit, levels, first, second, out TVector c0, out TVector c1, out TVector c2, out TVector c3, out TVector c4, out TVector c5, out TVector c6, out TVector c7);
            TSimd.Store(c0, levels);
            TSimd.Store(c1, levels + TSimd.Bytes);
            TSimd.Store(c2, levels + (2 * TSimd.Bytes));
            TSimd.Store(c3, levels + (3 * TSimd.Bytes));
            TSimd.Store(c4, levels + (4 * TSimd.Bytes));
            TSimd.Store(c5, levels + (5 * TSimd.Bytes));
            TSimd.Store(c6, levels + (6 * TSimd.Bytes));
            TSimd.Store(c7, levels + (7 * TSimd.Bytes));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Unpack<TVector, TSimd>(
        byte* unit, byte* levels, TVector first, TVector second, out TVector c0, out TVector c1, out TVector c2, out TVector c3, out TVector c4, out TVector c5, out TVector c6, out TVector c7)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        c0 = TSimd.Load(levels);
        c1 = TSimd.Load(levels + TSimd.Bytes);
        c2 = TSimd.Load(levels + (2 * TSimd.Bytes));
        c3 = TSimd.Load(levels + (3 * TSimd.Bytes));
        c4 = TSimd.Load(levels + (4 * TSimd.Bytes));
        c5 = TSimd.Load(levels + (5 * TSimd.Bytes));
        c6 = TSimd.Load(levels + (6 * TSimd.Bytes));
        c7 = TSimd.Load(levels + (7 * TSimd.Bytes));
    }
}
