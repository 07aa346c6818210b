using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Rows whose groups of 32 numbers are multiplied by a scale each, which lies outside as a float.</summary>
/// <typeparam name="TFormat">How the numbers are stored.</typeparam>
internal readonly unsafe struct ScaledRows<TFormat> : IRowFormat
    where TFormat : IRowFormat
{
    public static float Number(StoredRow row, int column) => TFormat.Number(row, column) * Scale(row, column);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector, TSimd>(StoredRow row, int column)
        where TVector : struct
        where TSimd : IRowSimd<TVector> => TSimd.Multiply(TFormat.Load<TVector, TSimd>(row, column), TSimd.Broadcast(Scale(row, column)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Scale(StoredRow row, int column) => row.Scales[(column >>> 5) * row.ScaleStride];
}
