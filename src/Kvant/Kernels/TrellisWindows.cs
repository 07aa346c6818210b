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
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static TVector OneByOne<TBits, TVector, TSimd>(byte* unit, byte* before, int part, byte* tables, int register)
        where TBits : ICount
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        byte* levels = stackalloc byte[TileLayout.RegisterBytes];
        int first = part / 4, count = TSimd.Bytes / 4;
        for (int r = 0; r < 4; r++)
        {
            int row = (4 * register) + r;
            ulong piece = TrellisLayout.Piece(unit, row, TBits.Value, keys: false), last = before[(2 * TBits.Value * row) + (2 * TBits.Value) - 1];
            for (int i = 0; i < count; i++)
            {
                int end = (first + i + 1) * TBits.Value; // a window is the eight bits before the end of its code
                ulong window = end < 8 ? (piece << (8 - end)) | (last >> end) : piece >> (end - 8);
                levels[(4 * i) + r] = tables[(byte)window];
            }
        }

        return TSimd.Load(levels);
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
