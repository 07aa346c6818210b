using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Trellis codes of values: the four bytes of a lane are four rows, lanes are coordinates (<see cref="TrellisLayout"/>).</summary>
internal readonly unsafe struct TrellisValues<TBits> : ITrellisOrder
    where TBits : ICount
{
    public static int Summands => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LookUp<TVector, TSimd>(byte* unit, byte* before, int part, byte* tables, TVector t0, TVector t1, TVector t2, TVector t3, byte* levels)
        where TVector : struct
        where TSimd : ITileSimd<TVector> => TSimd.LookUpValues<TBits>(unit, before, part, tables, t0, t1, t2, t3, levels);
}
