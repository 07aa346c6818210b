using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Rows of unsigned numbers of 4 bits, side by side.</summary>
internal readonly unsafe struct Field4Rows : IRowFormat
{
    public static int FieldBits => 4;

    public static int FieldBias => 0;

    public static nint Offset(int column) => column / 2;

    public static float Number(byte* at, float* scale, int column) => (*at >> (4 * (column & 1))) & 15;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector, TSimd>(byte* at, float* scale, int column, FieldConstants<TVector> constants)
        where TVector : struct
        where TSimd : IRowSimd<TVector> => TSimd.Fields4(at, constants);
}
