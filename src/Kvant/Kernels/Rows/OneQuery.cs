using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>A query alone.</summary>
internal unsafe struct OneQuery<TVector, TSimd> : IQueryGroup<TVector, OneQuery<TVector, TSimd>>
    where TVector : struct
    where TSimd : IRowSimd<TVector>
{
    private TVector _a;

    public static int Count => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static OneQuery<TVector, TSimd> Load(float* source, nint stride) => new() { _a = TSimd.Load(source) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(OneQuery<TVector, TSimd> group, float* destination, nint stride) => TSimd.Store(group._a, destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static OneQuery<TVector, TSimd> Broadcast(float* source, nint stride) => new() { _a = TSimd.Broadcast(*source) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static OneQuery<TVector, TSimd> MultiplyAdd(TVector numbers, OneQuery<TVector, TSimd> group, OneQuery<TVector, TSimd> sums) =>
        new() { _a = TSimd.MultiplyAdd(numbers, group._a, sums._a) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreSums(
        OneQuery<TVector, TSimd> row0, OneQuery<TVector, TSimd> row1, OneQuery<TVector, TSimd> row2, OneQuery<TVector, TSimd> row3, float* destination, nint stride) =>
        TSimd.Sums(row0._a, row1._a, row2._a, row3._a).Store(destination);
}
