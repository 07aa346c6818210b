using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Rows of ggml's q8_0: groups of 32 signed bytes, each behind two bytes of scale, which the numbers are without.</summary>
internal readonly unsafe struct GgmlByteRows : IRowFormat
{
    public static int FieldBits => 0;

    public static int FieldBias => 0;

    public static nint Offset(int column) => (column / 32 * 34) + 2 + (column % 32);

    public static float Number(byte* at, float* scale, int column) => (sbyte)*at;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector, TSimd>(byte* at, float* scale, int column, FieldConstants<TVector> constants)
        where TVector : struct
        where TSimd : IRowSimd<TVector> => TSimd.SignedBytes(at);
}
