using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>
/// Trellis codes: their levels are looked up for a few units ahead, into the first-level cache. A byte of a register is one coordinate of one row, and the unit
/// before holds, at the same place, the coordinate before it on the row's path (<see cref="TrellisPath"/>). So what the level of a code depends on lies at its
/// own place of the units before, and the level is the sum of two look-ups of 16 entries (<see cref="TrellisTable.SecondIndex"/>).
/// </summary>
internal readonly unsafe struct TrellisBits<TBits, TOrder> : ITileBits
    where TBits : ICount
    where TOrder : ITrellisOrder
{
    private const int R = TileLayout.RegisterBytes;

    public static int Bits => TBits.Value;

    public static int Summands => 2;

    // Units that a level depends on besides its own.
    private static int Older => 7 / TBits.Value;

    // Before the first unit of a column come the last ones of the column before; where a column is shorter than that, those of several columns.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Begin<TVector, TSimd>(in TileUnits units)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        for (int back = 0; back < Older; back++)
        {
            byte* from = back < units.Count ? units.First + ((units.Count - 1 - back) * units.Stride) : units.Columns + ((back - units.Count) * TileLayout.UnitBytes(TBits.Value));
            TOrder.NextColumn<TBits, TVector, TSimd>(from, units.Columns + (back * TileLayout.UnitBytes(TBits.Value)));
        }
    }

    // Types are asked instead of numbers: the compiler makes constants of shifts only where it sees their numbers, and drops branches before it inlines
    // them only where types decide.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void LookAhead<TVector, TSimd>(in TileUnits units)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        byte* before = units.Part + (units.Begins ? units.Columns : units.First - units.Stride);
        nint back = units.Begins ? TileLayout.UnitBytes(TBits.Value) : -units.Stride;
        if (typeof(TBits) == typeof(One))
        {
            Window<TVector, TSimd>(units, before, back, 0);
            Window<TVector, TSimd>(units, before, back, 1);
            Window<TVector, TSimd>(units, before, back, 2);
            Window<TVector, TSimd>(units, before, back, 3);
        }
        else if (typeof(TBits) == typeof(Two))
        {
            for (int register = 0; register < 2; register++)
            {
                FourCodes<TVector, TSimd>(units, before, back, register, 0);
                FourCodes<TVector, TSimd>(units, before, back, register, 2);
            }
        }
        else if (typeof(TBits) == typeof(Three))
        {
            ThreeCodes<TVector, TSimd>(units, before, back, 0);
            ThreeCodes<TVector, TSimd>(units, before, back, 1);
            ThreeCodes<TVector, TSimd>(units, before, back, 2);
            ThreeCodes<TVector, TSimd>(units, before, back, 3);
        }
        else
        {
            for (int register = 0; register < 4; register++)
                TwoCodes<TVector, TSimd>(units, before, register);
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

    // Four bits: an index is a code, and the second one is the code before. The two registers of a stored one.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TwoCodes<TVector, TSimd>(in TileUnits units, byte* before, int register)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        TVector first = TSimd.Load(units.Tables), second = TSimd.Load(units.Tables + TileTable.Length), old = TSimd.Load(before + (register * R));
        TVector old0 = TSimd.Index(old), old1 = TSimd.Index(TSimd.ShiftRight(old, 4));
        byte* unit = units.First + units.Part + (register * R), levels = units.Levels + (2 * register * TSimd.Bytes);
        for (int u = 0; u < units.Count; u++, unit += units.Stride, levels += 8 * TSimd.Bytes)
        {
            TVector codes = TSimd.Load(unit), code0 = TSimd.Index(codes), code1 = TSimd.Index(TSimd.ShiftRight(codes, 4));
            TSimd.Store(TSimd.AddBytes(TSimd.Entry(first, code0), TSimd.Entry(second, old0)), levels);
            TSimd.Store(TSimd.AddBytes(TSimd.Entry(first, code1), TSimd.Entry(second, old1)), levels + TSimd.Bytes);
            (old0, old1) = (code0, code1);
        }
    }

    // Three bits: the first index is the code, the second one 2 code ^ the code before ^ the upper bits of the one before that.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void ThreeCodes<TVector, TSimd>(in TileUnits units, byte* before, nint back, int pair)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        TVector first = TSimd.Load(units.Tables), second = TSimd.Load(units.Tables + TileTable.Length), low = TSimd.BroadcastByte(7), upper = TSimd.BroadcastByte(6);
        TVector old = Pair<TVector, TSimd>(before, pair), older = Pair<TVector, TSimd>(before + back, pair);
        TVector old0 = TSimd.And(old, low), old1 = TSimd.And(TSimd.ShiftRight(old, 3), low);
        TVector mixed0 = TSimd.Xor(old0, TSimd.And(older, upper)), mixed1 = TSimd.Xor(old1, TSimd.And(TSimd.ShiftRight(older, 3), upper));
        byte* unit = units.First + units.Part, levels = units.Levels + (2 * pair * TSimd.Bytes);
        for (int u = 0; u < units.Count; u++, unit += units.Stride, levels += 8 * TSimd.Bytes)
        {
            TVector codes = Pair<TVector, TSimd>(unit, pair), code0 = TSimd.And(codes, low), code1 = TSimd.And(TSimd.ShiftRight(codes, 3), low);
            TSimd.Store(TSimd.AddBytes(TSimd.Entry(first, code0), TSimd.Entry(second, TSimd.Xor(TSimd.AddBytes(code0, code0), mixed0))), levels);
            TSimd.Store(TSimd.AddBytes(TSimd.Entry(first, code1), TSimd.Entry(second, TSimd.Xor(TSimd.AddBytes(code1, code1), mixed1))), levels + TSimd.Bytes);
            (mixed0, mixed1) = (TSimd.Xor(code0, TSimd.And(old0, upper)), TSimd.Xor(code1, TSimd.And(old1, upper)));
            (old0, old1) = (code0, code1);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Pair<TVector, TSimd>(byte* unit, int pair)
        where TVector : struct
        where TSimd : ITileSimd<TVector> => pair < 3
            ? TSimd.Load(unit + (pair * R))
            : TileBits3.Rest<TVector, TSimd>(TSimd.Load(unit), TSimd.Load(unit + R), TSimd.Load(unit + (2 * R)));

    // Two bits: an index is a code and the one before; the second one that of two units before, mixed with the first. Two fields of a stored register, the lower
    // of which is at a shift of 0 or 2, become halves of bytes.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FourCodes<TVector, TSimd>(in TileUnits units, byte* before, nint back, int register, int shift)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        TVector first = TSimd.Load(units.Tables), second = TSimd.Load(units.Tables + TileTable.Length), turn = TSimd.Load(units.Tables + (2 * TileTable.Length));
        before += register * R;
        TVector old = Fields<TVector, TSimd>(before, shift), older = Fields<TVector, TSimd>(before + back, shift), oldest = Fields<TVector, TSimd>(before + (2 * back), shift);
        TVector halves = TSimd.Or(TSimd.ShiftLeft(old, 2), older), others = TSimd.Or(TSimd.ShiftLeft(older, 2), oldest);
        TVector old0 = TSimd.Index(halves), old2 = TSimd.Index(TSimd.ShiftRight(halves, 4)), older0 = TSimd.Index(others), older2 = TSimd.Index(TSimd.ShiftRight(others, 4));
        byte* unit = units.First + units.Part + (register * R), levels = units.Levels + (((4 * register) + (shift / 2)) * TSimd.Bytes);
        for (int u = 0; u < units.Count; u++, unit += units.Stride, levels += 8 * TSimd.Bytes)
        {
            TVector codes = Fields<TVector, TSimd>(unit, shift);
            halves = TSimd.Or(TSimd.ShiftLeft(codes, 2), old);
            TVector new0 = TSimd.Index(halves), new2 = TSimd.Index(TSimd.ShiftRight(halves, 4));
            TSimd.Store(TSimd.AddBytes(TSimd.Entry(first, new0), TSimd.Entry(second, TSimd.Xor(older0, TSimd.Entry(turn, new0)))), levels);
            TSimd.Store(TSimd.AddBytes(TSimd.Entry(first, new2), TSimd.Entry(second, TSimd.Xor(older2, TSimd.Entry(turn, new2)))), levels + (2 * TSimd.Bytes));
            (old, older0, older2, old0, old2) = (codes, old0, old2, new0, new2);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Fields<TVector, TSimd>(byte* stored, int shift)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        TVector codes = TSimd.Load(stored);
        return TSimd.And(shift == 0 ? codes : TSimd.ShiftRight(codes, 2), TSimd.BroadcastByte(0x33));
    }

    // One bit: a window of eight codes for each of two registers, the newest on top.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Window<TVector, TSimd>(in TileUnits units, byte* before, nint back, int pair)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        TVector first = TSimd.Load(units.Tables), second = TSimd.Load(units.Tables + TileTable.Length), turn = TSimd.Load(units.Tables + (2 * TileTable.Length));
        TVector window0 = TSimd.Zero, window1 = TSimd.Zero;
        for (int older = Older - 1; older >= 0; older--)
            (window0, window1) = Next<TVector, TSimd>(window0, window1, before + (older * back), pair);
        byte* unit = units.First + units.Part, levels = units.Levels + (2 * pair * TSimd.Bytes);
        for (int u = 0; u < units.Count; u++, unit += units.Stride, levels += 8 * TSimd.Bytes)
        {
            (window0, window1) = Next<TVector, TSimd>(window0, window1, unit, pair);
            TVector index0 = TSimd.Index(TSimd.ShiftRight(window0, 4)), index1 = TSimd.Index(TSimd.ShiftRight(window1, 4));
            TSimd.Store(TSimd.AddBytes(TSimd.Entry(first, index0), TSimd.LookUp(second, TSimd.Xor(window0, TSimd.Entry(turn, index0)))), levels);
            TSimd.Store(TSimd.AddBytes(TSimd.Entry(first, index1), TSimd.LookUp(second, TSimd.Xor(window1, TSimd.Entry(turn, index1)))), levels + TSimd.Bytes);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (TVector Window0, TVector Window1) Next<TVector, TSimd>(TVector window0, TVector window1, byte* unit, int pair)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        TVector codes = TSimd.ShiftLeft(TSimd.Load(unit), 6 - (2 * pair)), top = TSimd.BroadcastByte(128);
        return (TSimd.Select(top, TSimd.ShiftLeft(codes, 1), TSimd.ShiftRight(window0, 1)), TSimd.Select(top, codes, TSimd.ShiftRight(window1, 1)));
    }
}
