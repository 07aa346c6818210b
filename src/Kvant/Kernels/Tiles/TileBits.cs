using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>How many bits a code of a tile has, and how eight registers of codes lie in that many.</summary>
internal unsafe interface ITileBits
{
    static abstract int Bits { get; }

    /// <summary>Products of neighbors that add up in 16 bits: how many registers may be summed before they are widened.</summary>
    static abstract int Summands { get; }

    /// <summary>Finds the codes that come before the first ones of whole rows (or groups), if codes are paths.</summary>
    /// <param name="units">All units of the rows or the group.</param>
    static abstract void Begin<TVector, TSimd>(in TileUnits units)
        where TVector : struct
        where TSimd : ITileSimd<TVector>;

    /// <summary>Looks levels up ahead, if that takes more than <see cref="Unpack"/> can do on the way: a method of its own, for a compiler inlines only so much.</summary>
    static abstract void LookAhead<TVector, TSimd>(in TileUnits units)
        where TVector : struct
        where TSimd : ITileSimd<TVector>;

    /// <summary>Loads the registers of a unit (<see cref="TileLayout"/>) and looks up its codes, or loads what <see cref="LookAhead"/> found.</summary>
    static abstract void Unpack<TVector, TSimd>(
        byte* unit, byte* levels, TVector first, TVector second, out TVector c0, out TVector c1, out TVector c2, out TVector c3, out TVector c4, out TVector c5, out TVector c6, out TVector c7)
        where TVector : struct
        where TSimd : ITileSimd<TVector>;
}

/// <summary>A few units whose levels are looked up ahead.</summary>
internal unsafe ref struct TileUnits
{
    /// <summary>The first.</summary>
    public byte* First;

    /// <summary>Bytes from one to the next.</summary>
    public nint Stride;

    public int Count;

    /// <summary>Which bytes of the units' registers of 64 bytes are wanted.</summary>
    public int Part;

    /// <summary>The tables of <see cref="TileTable"/>.</summary>
    public byte* Tables;

    /// <summary>The codes before the first unit of the row (or group) on the rows' paths, backward, as units: <see cref="TileLayout.UnitCodes"/> bytes.</summary>
    public byte* Columns;

    /// <summary>Whether these are the first units of the row (or group): before others come seven units at least.</summary>
    public bool Begins;

    /// <summary>Receives eight registers per unit.</summary>
    public byte* Levels;
}

/// <summary>Two bits: four registers share the fields of one.</summary>
internal readonly unsafe struct TileBits2 : ITileBits
{
    public static int Bits => 2;

    public static int Summands => 4;

    public static void Begin<TVector, TSimd>(in TileUnits units)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
    }

    public static void LookAhead<TVector, TSimd>(in TileUnits units)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Unpack<TVector, TSimd>(
        byte* unit, byte* levels, TVector first, TVector second, out TVector c0, out TVector c1, out TVector c2, out TVector c3, out TVector c4, out TVector c5, out TVector c6, out TVector c7)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        TVector a = TSimd.Load(unit), b = TSimd.Load(unit + TileLayout.RegisterBytes);
        c0 = TSimd.LookUp(first, a);
        c1 = TSimd.LookUpSecond(first, second, a, 2);
        a = TSimd.ShiftRight(a, 4);
        c2 = TSimd.LookUp(first, a);
        c3 = TSimd.LookUpSecond(first, second, a, 2);
        c4 = TSimd.LookUp(first, b);
        c5 = TSimd.LookUpSecond(first, second, b, 2);
        b = TSimd.ShiftRight(b, 4);
        c6 = TSimd.LookUp(first, b);
        c7 = TSimd.LookUpSecond(first, second, b, 2);
    }
}

/// <summary>Three bits: three registers hold two codes in six bits of each byte, and a fourth pair in the two bits that are left.</summary>
internal readonly unsafe struct TileBits3 : ITileBits
{
    public static int Bits => 3;

    public static int Summands => 2;

    public static void Begin<TVector, TSimd>(in TileUnits units)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
    }

    public static void LookAhead<TVector, TSimd>(in TileUnits units)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Unpack<TVector, TSimd>(
        byte* unit, byte* levels, TVector first, TVector second, out TVector c0, out TVector c1, out TVector c2, out TVector c3, out TVector c4, out TVector c5, out TVector c6, out TVector c7)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        TVector a = TSimd.Load(unit), b = TSimd.Load(unit + TileLayout.RegisterBytes), c = TSimd.Load(unit + (2 * TileLayout.RegisterBytes));
        c0 = TSimd.LookUp(first, a);
        c1 = TSimd.LookUpSecond(first, second, a, 3);
        c2 = TSimd.LookUp(first, b);
        c3 = TSimd.LookUpSecond(first, second, b, 3);
        c4 = TSimd.LookUp(first, c);
        c5 = TSimd.LookUpSecond(first, second, c, 3);
        TVector rest = Rest<TVector, TSimd>(a, b, c);
        c6 = TSimd.LookUp(first, rest);
        c7 = TSimd.LookUpSecond(first, second, rest, 3);
    }

    /// <summary>The fourth pair; two bits of each byte are left over.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Rest<TVector, TSimd>(TVector a, TVector b, TVector c)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        TVector rest = TSimd.Select(TSimd.BroadcastByte(15), TSimd.ShiftRight(b, 4), TSimd.ShiftRight(c, 2));
        return TSimd.Select(TSimd.BroadcastByte(3), TSimd.ShiftRight(a, 6), rest);
    }
}

/// <summary>Four bits: two registers share the halves of each byte.</summary>
internal readonly unsafe struct TileBits4 : ITileBits
{
    public static int Bits => 4;

    public static int Summands => 2;

    public static void Begin<TVector, TSimd>(in TileUnits units)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
    }

    public static void LookAhead<TVector, TSimd>(in TileUnits units)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Unpack<TVector, TSimd>(
        byte* unit, byte* levels, TVector first, TVector second, out TVector c0, out TVector c1, out TVector c2, out TVector c3, out TVector c4, out TVector c5, out TVector c6, out TVector c7)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        TVector a = TSimd.Load(unit), b = TSimd.Load(unit + TileLayout.RegisterBytes);
        TVector c = TSimd.Load(unit + (2 * TileLayout.RegisterBytes)), d = TSimd.Load(unit + (3 * TileLayout.RegisterBytes));
        c0 = TSimd.LookUp(first, a);
        c1 = TSimd.LookUpSecond(first, second, a, 4);
        c2 = TSimd.LookUp(first, b);
        c3 = TSimd.LookUpSecond(first, second, b, 4);
        c4 = TSimd.LookUp(first, c);
        c5 = TSimd.LookUpSecond(first, second, c, 4);
        c6 = TSimd.LookUp(first, d);
        c7 = TSimd.LookUpSecond(first, second, d, 4);
    }
}
