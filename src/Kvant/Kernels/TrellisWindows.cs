using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Windows of trellis codes and their levels for registers without permutes of single bytes across them.</summary>
internal static unsafe class TrellisWindows
{
    /// <summary><see cref="ITileSimd{TVector}.Windows"/> by a shift and a mask for each byte of a lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector ByShifts<TVector, TSimd>(TVector lanes, int offset, int stride)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        int low = 0x000000FF, second = 0x0000FF00, third = 0x00FF0000;
        TVector b01 = TSimd.Select(TSimd.Broadcast(&low), TSimd.ShiftRight(lanes, offset), Up<TVector, TSimd>(lanes, 8 - offset - stride));
        TVector b23 = TSimd.Select(TSimd.Broadcast(&third), Up<TVector, TSimd>(lanes, 16 - offset - (2 * stride)), Up<TVector, TSimd>(lanes, 24 - offset - (3 * stride)));
        int lower = low | second;
        return TSimd.Select(TSimd.Broadcast(&lower), b01, b23);
    }

    /// <summary><see cref="ITileSimd{TVector}.LookUp256"/>: sixteen entries at a time by the low half of an index, then one of two by each bit of the high half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector ByHalves<TVector, TSimd>(byte* tables, TVector index)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        tables += TrellisTable.States;
        TVector b4 = TSimd.HasBit(index, 4), b5 = TSimd.HasBit(index, 5);
        TVector a = TSimd.Select(b5, Pair<TVector, TSimd>(tables, 2, index, b4), Pair<TVector, TSimd>(tables, 0, index, b4));
        TVector b = TSimd.Select(b5, Pair<TVector, TSimd>(tables, 6, index, b4), Pair<TVector, TSimd>(tables, 4, index, b4));
        TVector c = TSimd.Select(b5, Pair<TVector, TSimd>(tables, 10, index, b4), Pair<TVector, TSimd>(tables, 8, index, b4));
        TVector d = TSimd.Select(b5, Pair<TVector, TSimd>(tables, 14, index, b4), Pair<TVector, TSimd>(tables, 12, index, b4));
        TVector b6 = TSimd.HasBit(index, 6);
        return TSimd.Select(TSimd.HasBit(index, 7), TSimd.Select(b6, d, c), TSimd.Select(b6, b, a));
    }

    /// <summary><see cref="ITileSimd{TVector}.LookUpValues"/> number by number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void OneByOne<TBits>(byte* unit, byte* before, int part, int registerBytes, byte* tables, byte* levels)
        where TBits : ICount
    {
        int first = part / 4, count = registerBytes / 4;
        for (int row = 0; row < TileLayout.Rows; row++)
        {
            byte* to = levels + (row / 4 * registerBytes) + (row % 4);
            ulong piece = TrellisLayout.Piece(unit, row, TBits.Value, keys: false), last = before[(2 * TBits.Value * row) + (2 * TBits.Value) - 1];
            // A window is the eight bits before the end of its code; the first begin in the piece before.
            ulong windows = first < 8 ? ((piece << 8) | last) >> (first * TBits.Value) : piece >> ((first * TBits.Value) - 8);
            for (int i = 0; i < count; i++, to += 4)
            {
                if (first + i == 8)
                    windows = piece >> (8 * (TBits.Value - 1));
                windows >>= TBits.Value;
                *to = tables[(byte)windows];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Pair<TVector, TSimd>(byte* tables, int number, TVector index, TVector bit)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        byte* table = tables + (number * TileTable.Length);
        return TSimd.Select(bit, TSimd.LookUp(TSimd.Load(table + TileTable.Length), index), TSimd.LookUp(TSimd.Load(table), index));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Up<TVector, TSimd>(TVector lanes, int count)
        where TVector : struct
        where TSimd : ITileSimd<TVector> => count >= 0 ? TSimd.ShiftLeft(lanes, count) : TSimd.ShiftRight(lanes, -count);
}
