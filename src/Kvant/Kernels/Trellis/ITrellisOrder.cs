using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>What the order of the codes in a tile, of keys or of values, means for paths.</summary>
internal unsafe interface ITrellisOrder
{
    /// <summary>Takes the stored codes of a unit's coordinates from each to the next one of the same row, from the last to the first.</summary>
    static abstract void NextColumn<TBits, TVector, TSimd>(byte* unit, byte* next)
        where TBits : ICount
        where TVector : struct
        where TSimd : ITileSimd<TVector>;
}

/// <summary>Values: lanes are coordinates.</summary>
internal readonly unsafe struct TrellisValues : ITrellisOrder
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void NextColumn<TBits, TVector, TSimd>(byte* unit, byte* next)
        where TBits : ICount
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        const int R = TileLayout.RegisterBytes;
        for (int register = 0; register < TBits.Value * R; register += R)
        {
            TVector before = TSimd.Load(unit + register + R - TSimd.Bytes);
            for (int part = 0; part < R; part += TSimd.Bytes)
            {
                TVector codes = TSimd.Load(unit + register + part);
                TSimd.Store(TSimd.LanesUp(codes, before), next + register + part);
                before = codes;
            }
        }
    }
}

/// <summary>
/// Keys: the four bytes of a lane are neighboring coordinates, then come those of the next register of its half of the unit. So bytes move up in their lanes, and
/// the codes of the highest byte move on from field to field on their way to the lowest.
/// </summary>
internal readonly unsafe struct TrellisKeys : ITrellisOrder
{
    private const int R = TileLayout.RegisterBytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void NextColumn<TBits, TVector, TSimd>(byte* unit, byte* next)
        where TBits : ICount
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        for (int part = 0; part < R; part += TSimd.Bytes, unit += TSimd.Bytes, next += TSimd.Bytes)
        {
            if (typeof(TBits) == typeof(One))
            {
                TVector top = Top<TVector, TSimd>(unit);
                Move<TVector, TSimd>(unit, TSimd.Or(Up<TVector, TSimd>(top, 1, 0xEE), Down<TVector, TSimd>(top, 3, 0x11)), next);
            }
            else if (typeof(TBits) == typeof(Two))
            {
                TVector low = Top<TVector, TSimd>(unit), high = Top<TVector, TSimd>(unit + R);
                Move<TVector, TSimd>(unit, TSimd.Or(Up<TVector, TSimd>(low, 2, 0xFC), TSimd.ShiftRight(low, 6)), next);
                Move<TVector, TSimd>(unit + R, TSimd.Or(Up<TVector, TSimd>(high, 2, 0xFC), TSimd.ShiftRight(high, 6)), next + R);
            }
            else if (typeof(TBits) == typeof(Three))
            {
                Three<TVector, TSimd>(unit, next);
            }
            else
            {
                for (int half = 0; half < 4 * R; half += 2 * R)
                {
                    TVector low = Top<TVector, TSimd>(unit + half), high = Top<TVector, TSimd>(unit + half + R);
                    Move<TVector, TSimd>(unit + half, TSimd.Or(Up<TVector, TSimd>(low, 4, 0xF0), TSimd.ShiftRight(high, 4)), next + half);
                    Move<TVector, TSimd>(unit + half + R, TSimd.Or(Up<TVector, TSimd>(high, 4, 0xF0), TSimd.ShiftRight(low, 4)), next + half + R);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Three<TVector, TSimd>(byte* unit, byte* next)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        TVector a = Top<TVector, TSimd>(unit), b = Top<TVector, TSimd>(unit + R), c = Top<TVector, TSimd>(unit + (2 * R)), rest = TileBits3.Rest<TVector, TSimd>(a, b, c);
        TVector nextRest = TSimd.Or(Up<TVector, TSimd>(rest, 3, 0x38), Down<TVector, TSimd>(c, 3, 7));
        TVector nextA = TSimd.Or(TSimd.Or(Up<TVector, TSimd>(a, 3, 0x38), Down<TVector, TSimd>(b, 3, 7)), Up<TVector, TSimd>(nextRest, 6, 0xC0));
        TVector nextB = TSimd.Or(TSimd.Or(Up<TVector, TSimd>(b, 3, 0x38), Down<TVector, TSimd>(a, 3, 7)), Up<TVector, TSimd>(nextRest, 4, 0xC0));
        TVector nextC = TSimd.Or(TSimd.Or(Up<TVector, TSimd>(c, 3, 0x38), Down<TVector, TSimd>(rest, 3, 7)), Up<TVector, TSimd>(nextRest, 2, 0xC0));
        Move<TVector, TSimd>(unit, nextA, next);
        Move<TVector, TSimd>(unit + R, nextB, next + R);
        Move<TVector, TSimd>(unit + (2 * R), nextC, next + (2 * R));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Move<TVector, TSimd>(byte* codes, TVector lowest, byte* next)
        where TVector : struct
        where TSimd : ITileSimd<TVector> => TSimd.Store(TSimd.Or(TSimd.ShiftLeft(TSimd.Load(codes), 8), lowest), next);

    // The highest byte of each lane, alone: what shifts out of it is masked or nothing.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Top<TVector, TSimd>(byte* codes)
        where TVector : struct
        where TSimd : ITileSimd<TVector> => TSimd.ShiftRight(TSimd.Load(codes), 24);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Up<TVector, TSimd>(TVector top, int by, byte mask)
        where TVector : struct
        where TSimd : ITileSimd<TVector> => TSimd.And(TSimd.ShiftLeft(top, by), TSimd.BroadcastByte(mask));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Down<TVector, TSimd>(TVector top, int by, byte mask)
        where TVector : struct
        where TSimd : ITileSimd<TVector> => TSimd.And(TSimd.ShiftRight(top, by), TSimd.BroadcastByte(mask));
}
