using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Trellis codes of keys: windows of eight bits out of each row's own lane, then the levels that they mean (<see cref="TrellisLayout"/>).</summary>
/// <remarks>Where a window begins in the unit before, or in another register, the bits of both are first shifted into one lane.</remarks>
internal readonly unsafe struct TrellisKeys<TBits> : ITrellisOrder
    where TBits : ICount
{
    public static int Summands => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LookUp<TVector, TSimd>(byte* unit, byte* before, int part, byte* tables, TVector t0, TVector t1, TVector t2, TVector t3, byte* levels)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        const int R = TileLayout.RegisterBytes;
        unit += part;
        before += part;
        switch (TBits.Value)
        {
            case 1:
                {
                    TVector both = TSimd.Load(unit), last = TSimd.Load(before), low = Low<TVector, TSimd>(7);
                    TVector a = TSimd.Select(low, TSimd.ShiftRight(last, 9), TSimd.ShiftLeft(both, 7));
                    TVector b = TSimd.Select(low, TSimd.ShiftRight(last, 25), TSimd.ShiftRight(both, 9));
                    Four<TVector, TSimd>(tables, t0, t1, t2, t3, a, 0, a, 4, a, 8, a, 12, levels);
                    Four<TVector, TSimd>(tables, t0, t1, t2, t3, b, 0, b, 4, b, 8, b, 12, levels + (4 * TSimd.Bytes));
                    break;
                }

            case 2:
                {
                    TVector a = TSimd.Load(unit), b = TSimd.Load(unit + R);
                    TVector a0 = TSimd.Or(TSimd.ShiftLeft(a, 6), TSimd.ShiftRight(TSimd.Load(before), 26));
                    TVector b0 = TSimd.Or(TSimd.ShiftLeft(b, 6), TSimd.ShiftRight(TSimd.Load(before + R), 26));
                    Four<TVector, TSimd>(tables, t0, t1, t2, t3, a0, 0, a, 2, a, 10, a, 18, levels);
                    Four<TVector, TSimd>(tables, t0, t1, t2, t3, b0, 0, b, 2, b, 10, b, 18, levels + (4 * TSimd.Bytes));
                    break;
                }

            case 3:
                {
                    TVector a = TSimd.Load(unit), b = TSimd.Load(unit + R), rest = TSimd.Load(unit + (2 * R)), last = TSimd.Load(before + (2 * R));
                    TVector a0 = TSimd.Or(TSimd.ShiftLeft(a, 5), TSimd.ShiftRight(TSimd.ShiftLeft(last, 16), 27));
                    TVector b0 = TSimd.Or(TSimd.ShiftLeft(b, 5), TSimd.ShiftRight(last, 27));
                    TVector a2 = TSimd.Or(TSimd.ShiftRight(a, 19), TSimd.ShiftLeft(rest, 13));
                    TVector b2 = TSimd.Select(Low<TVector, TSimd>(13), TSimd.ShiftRight(b, 19), TSimd.ShiftRight(rest, 3));
                    Four<TVector, TSimd>(tables, t0, t1, t2, t3, a0, 0, a, 7, a2, 0, a2, 12, levels);
                    Four<TVector, TSimd>(tables, t0, t1, t2, t3, b0, 0, b, 7, b2, 0, b2, 12, levels + (4 * TSimd.Bytes));
                    break;
                }

            default:
                {
                    TVector a = TSimd.Load(unit), a2 = TSimd.Load(unit + R), b = TSimd.Load(unit + (2 * R)), b2 = TSimd.Load(unit + (3 * R));
                    TVector a0 = TSimd.Or(TSimd.ShiftLeft(a, 4), TSimd.ShiftRight(TSimd.Load(before + R), 28));
                    TVector b0 = TSimd.Or(TSimd.ShiftLeft(b, 4), TSimd.ShiftRight(TSimd.Load(before + (3 * R)), 28));
                    TVector a1 = TSimd.Or(TSimd.ShiftLeft(a2, 4), TSimd.ShiftRight(a, 28)), b1 = TSimd.Or(TSimd.ShiftLeft(b2, 4), TSimd.ShiftRight(b, 28));
                    Four<TVector, TSimd>(tables, t0, t1, t2, t3, a0, 0, a, 12, a1, 0, a2, 12, levels);
                    Four<TVector, TSimd>(tables, t0, t1, t2, t3, b0, 0, b, 12, b1, 0, b2, 12, levels + (4 * TSimd.Bytes));
                    break;
                }
        }
    }

    // Four registers of four coordinates each, from where their windows begin.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Four<TVector, TSimd>(
        byte* tables, TVector t0, TVector t1, TVector t2, TVector t3, TVector a, int atA, TVector b, int atB, TVector c, int atC, TVector d, int atD, byte* levels)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        TrellisWindows.LookUp<TVector, TSimd>(a, atA, TBits.Value, tables, t0, t1, t2, t3, levels);
        TrellisWindows.LookUp<TVector, TSimd>(b, atB, TBits.Value, tables, t0, t1, t2, t3, levels + TSimd.Bytes);
        TrellisWindows.LookUp<TVector, TSimd>(c, atC, TBits.Value, tables, t0, t1, t2, t3, levels + (2 * TSimd.Bytes));
        TrellisWindows.LookUp<TVector, TSimd>(d, atD, TBits.Value, tables, t0, t1, t2, t3, levels + (3 * TSimd.Bytes));
    }

    // The lowest bits of each lane.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Low<TVector, TSimd>(int count)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        int mask = (1 << count) - 1;
        return TSimd.Broadcast(&mask);
    }
}
