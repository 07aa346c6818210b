using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Rows of 32-bit floats.</summary>
internal readonly unsafe struct SingleRows : IRowFormat
{
    public static int FieldBits => 0;

    public static int FieldBias => 0;

    public static nint Offset(int column) => 4 * (nint)column;

    public static float Number(byte* at, float* scale, int column) => *(float*)at;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector, TSimd>(byte* at, float* scale, int column, FieldConstants<TVector> constants)
        where TVector : struct
        where TSimd : IRowSimd<TVector> => TSimd.Load((float*)at);
}
