using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvant.Kernels;

/// <summary>Windows of eight bits and their levels: by the byte permutes of AVX-512 VBMI, or from shifts and narrow look-ups where there are none.</summary>
internal static unsafe class TrellisWindows
{
    /// <summary>Looks up a register of windows: byte b of each lane of 32 bits is the eight bits of the lane from offset + b * stride on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LookUp<TVector, TSimd>(TVector lanes, int offset, int stride, byte* tables, TVector t0, TVector t1, TVector t2, TVector t3, byte* levels)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        if (typeof(TVector) == typeof(Vector512<byte>) && Avx512Vbmi.IsSupported)
        {
            Vector512<byte> windows = Cut((Vector512<byte>)(object)lanes, offset, stride);
            Levels(windows, (Vector512<byte>)(object)t0, (Vector512<byte>)(object)t1, (Vector512<byte>)(object)t2, (Vector512<byte>)(object)t3).Store(levels);
        }
        else
        {
            Apart<TVector, TSimd>(lanes, offset, stride, tables, levels);
        }
    }

    /// <summary>The levels of bytes: two permutes of 128 entries each, and a choice by the highest bit.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Levels(Vector512<byte> windows, Vector512<byte> t0, Vector512<byte> t1, Vector512<byte> t2, Vector512<byte> t3)
    {
        Vector512<byte> low = Avx512Vbmi.PermuteVar64x8x2(t0, windows, t1);
        Vector512<byte> high = Avx512Vbmi.PermuteVar64x8x2(t2, windows, t3);
        return Vector512.ConditionalSelect(Vector512.LessThan(windows.AsSByte(), Vector512<sbyte>.Zero).AsByte(), high, low);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Cut(Vector512<byte> lanes, int offset, int stride)
    {
        ulong lane = ((ulong)offset * 0x01010101) + ((ulong)stride * 0x03020100);
        return Avx512Vbmi.MultiShift(Vector512.Create(lane | ((lane + 0x20202020) << 32)).AsByte(), lanes.AsUInt64());
    }

    // A method of its own for each register: the compiler inlines only so much into one.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Apart<TVector, TSimd>(TVector lanes, int offset, int stride, byte* tables, byte* levels)
        where TVector : struct
        where TSimd : ITileSimd<TVector> => TSimd.Store(ByHalves<TVector, TSimd>(tables, ByShifts<TVector, TSimd>(lanes, offset, stride)), levels);

    /// <summary>Windows by a shift and a mask for each byte of a lane.</summary>
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

    /// <summary>Levels of bytes: sixteen entries at a time by the low half of an index, then one of two by each bit of the high half.</summary>
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
            for (int i = 0; i < count; i += 4, to += 16)
            {
                if (first + i == 8)
                    windows = piece >> (8 * (TBits.Value - 1));
                to[0] = tables[(byte)(windows >> TBits.Value)];
                to[4] = tables[(byte)(windows >> (2 * TBits.Value))];
                to[8] = tables[(byte)(windows >> (3 * TBits.Value))];
                windows >>= 4 * TBits.Value;
                to[12] = tables[(byte)windows];
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
