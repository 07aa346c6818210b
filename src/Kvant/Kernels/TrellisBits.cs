using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>The order in which trellis codes of keys or of values lie.</summary>
internal unsafe interface ITrellisOrder
{
    static abstract int Summands { get; }

    /// <summary>The levels of a unit: eight registers. The first four registers of the tables come along, so that they stay in registers.</summary>
    static abstract void LookUp<TVector, TSimd>(byte* unit, byte* before, int part, byte* tables, TVector t0, TVector t1, TVector t2, TVector t3, byte* levels)
        where TVector : struct
        where TSimd : ITileSimd<TVector>;
}

/// <summary>Trellis codes: their levels are looked up for a few units ahead, into the first-level cache.</summary>
internal readonly unsafe struct TrellisBits<TBits, TOrder> : ITileBits
    where TBits : ICount
    where TOrder : ITrellisOrder
{
    public static int Bits => TBits.Value;

    public static int Summands => TOrder.Summands;

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void LookAhead<TVector, TSimd>(in TileUnits units)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        byte* unit = units.First, levels = units.Levels, tables = units.Tables;
        nint before = units.BeforeFirst, stride = units.Stride;
        int part = units.Part, count = units.Count;
        TVector t0 = TSimd.Load(tables), t1 = TSimd.Load(tables + TileTable.Length), t2 = TSimd.Load(tables + (2 * TileTable.Length)), t3 = TSimd.Load(tables + (3 * TileTable.Length));
        for (int i = 0; i < count; i++, unit += stride, levels += 8 * TSimd.Bytes, before = units.Before)
            TOrder.LookUp<TVector, TSimd>(unit, unit + before, part, tables, t0, t1, t2, t3, levels);
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
