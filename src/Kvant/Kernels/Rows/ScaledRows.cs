using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Rows whose groups of 32 numbers are multiplied by a scale each, which lies outside as a float.</summary>
/// <typeparam name="TFormat">How the numbers are stored.</typeparam>
internal readonly unsafe struct ScaledRows<TFormat> : IRowFormat
    where TFormat : IRowFormat
{
    public static int FieldBits => TFormat.FieldBits;

    public static int FieldBias => TFormat.FieldBias;

    public static nint Offset(int column) => TFormat.Offset(column);

    public static float Number(byte* at, float* scale, int column) => TFormat.Number(at, scale, column) * *scale;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector, TSimd>(byte* at, float* scale, int column, FieldConstants<TVector> constants)
        where TVector : struct
        where TSimd : IRowSimd<TVector> => TSimd.Multiply(TFormat.Load<TVector, TSimd>(at, scale, column, constants), TSimd.Broadcast(*scale));
}
