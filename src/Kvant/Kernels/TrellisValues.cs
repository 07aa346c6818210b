using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Trellis codes of values: the four bytes of a lane are four rows, lanes are coordinates (<see cref="TrellisLayout"/>).</summary>
internal readonly unsafe struct TrellisValues<TBits> : ITileBits
    where TBits : ICount
{
    public static int Bits => TBits.Value;

    // At four bits the levels are so fine that weights of 7 bits would show.
    public static int Summands => TBits.Value == 4 ? 1 : 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Unpack<TVector, TSimd>(
        byte* unit, byte* before, int part, byte* tables, TVector first, TVector second,
        out TVector c0, out TVector c1, out TVector c2, out TVector c3, out TVector c4, out TVector c5, out TVector c6, out TVector c7)
        where TVector : struct
        where TSimd : ITileSimd<TVector>
    {
        c0 = TSimd.LookUpValues<TBits>(unit, before, part, tables, 0);
        c1 = TSimd.LookUpValues<TBits>(unit, before, part, tables, 1);
        c2 = TSimd.LookUpValues<TBits>(unit, before, part, tables, 2);
        c3 = TSimd.LookUpValues<TBits>(unit, before, part, tables, 3);
        c4 = TSimd.LookUpValues<TBits>(unit, before, part, tables, 4);
        c5 = TSimd.LookUpValues<TBits>(unit, before, part, tables, 5);
        c6 = TSimd.LookUpValues<TBits>(unit, before, part, tables, 6);
        c7 = TSimd.LookUpValues<TBits>(unit, before, part, tables, 7);
    }
}
