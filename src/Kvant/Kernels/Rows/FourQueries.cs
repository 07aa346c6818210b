using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>Four queries.</summary>
internal unsafe struct FourQueries<TVector, TSimd> : IQueryGroup<TVector, FourQueries<TVector, TSimd>>
    where TVector : struct
    where TSimd : IRowSimd<TVector>
{
    private TVector _a;
    private TVector _b;
    private TVector _c;
    private TVector _d;

    public static int Count => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FourQueries<TVector, TSimd> Load(float* source, nint stride) => new()
    {
        _a = TSimd.Load(source),
        _b = TSimd.Load(source + stride),
        _c = TSimd.Load(source + (2 * stride)),
        _d = TSimd.Load(source + (3 * stride)),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(FourQueries<TVector, TSimd> group, float* destination, nint stride)
    {
        TSimd.Store(group._a, destination);
        TSimd.Store(group._b, destination + stride);
        TSimd.Store(group._c, destination + (2 * stride));
        TSimd.Store(group._d, destination + (3 * stride));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FourQueries<TVector, TSimd> Broadcast(float* source, nint stride) => new()
    {
        _a = TSimd.Broadcast(*source),
        _b = TSimd.Broadcast(source[stride]),
        _c = TSimd.Broadcast(source[2 * stride]),
        _d = TSimd.Broadcast(source[3 * stride]),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FourQueries<TVector, TSimd> MultiplyAdd(TVector numbers, FourQueries<TVector, TSimd> group, FourQueries<TVector, TSimd> sums) => new()
    {
        _a = TSimd.MultiplyAdd(numbers, group._a, sums._a),
        _b = TSimd.MultiplyAdd(numbers, group._b, sums._b),
        _c = TSimd.MultiplyAdd(numbers, group._c, sums._c),
        _d = TSimd.MultiplyAdd(numbers, group._d, sums._d),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreSums(
        FourQueries<TVector, TSimd> row0, FourQueries<TVector, TSimd> row1, FourQueries<TVector, TSimd> row2, FourQueries<TVector, TSimd> row3, float* destination, nint stride)
    {
        TSimd.Sums(row0._a, row1._a, row2._a, row3._a).Store(destination);
        TSimd.Sums(row0._b, row1._b, row2._b, row3._b).Store(destination + stride);
        TSimd.Sums(row0._c, row1._c, row2._c, row3._c).Store(destination + (2 * stride));
        TSimd.Sums(row0._d, row1._d, row2._d, row3._d).Store(destination + (3 * stride));
    }
}
