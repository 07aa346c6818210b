using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Rows of signed bytes.</summary>
internal readonly unsafe struct ByteRows : IRowFormat
{
    public static int FieldBits => 0;

    public static int FieldBias => 0;

    public static nint Offset(int column) => column;

    public static float Number(byte* at, float* scale, int column) => (sbyte)*at;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector, TSimd>(byte* at, float* scale, int column, FieldConstants<TVector> constants)
        where TVector : struct
        where TSimd : IRowSimd<TVector> => TSimd.SignedBytes(at);
}
