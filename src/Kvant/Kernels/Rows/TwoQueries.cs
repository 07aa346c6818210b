using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>Two queries.</summary>
internal unsafe struct TwoQueries<TVector, TSimd> : IQueryGroup<TVector, TwoQueries<TVector, TSimd>>
    where TVector : struct
    where TSimd : IRowSimd<TVector>
{
    private TVector _a;
    private TVector _b;

    public static int Count => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TwoQueries<TVector, TSimd> Load(float* source, nint stride) => new()
    {
        _a = TSimd.Load(source),
        _b = TSimd.Load(source + stride),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(TwoQueries<TVector, TSimd> group, float* destination, nint stride)
    {
        TSimd.Store(group._a, destination);
        TSimd.Store(group._b, destination + stride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TwoQueries<TVector, TSimd> Broadcast(float* source, nint stride) => new()
    {
        _a = TSimd.Broadcast(*source),
        _b = TSimd.Broadcast(source[stride]),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TwoQueries<TVector, TSimd> MultiplyAdd(TVector numbers, TwoQueries<TVector, TSimd> group, TwoQueries<TVector, TSimd> sums) => new()
    {
        _a = TSimd.MultiplyAdd(numbers, group._a, sums._a),
        _b = TSimd.MultiplyAdd(numbers, group._b, sums._b),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreSums(
        TwoQueries<TVector, TSimd> row0, TwoQueries<TVector, TSimd> row1, TwoQueries<TVector, TSimd> row2, TwoQueries<TVector, TSimd> row3, float* destination, nint stride)
    {
        TSimd.Sums(row0._a, row1._a, row2._a, row3._a).Store(destination);
        TSimd.Sums(row0._b, row1._b, row2._b, row3._b).Store(destination + stride);
    }
}
