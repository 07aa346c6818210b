using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Rows of unsigned numbers of 2 bits, side by side.</summary>
internal readonly unsafe struct Field2Rows : IRowFormat
{
    public static int FieldBits => 2;

    public static int FieldBias => 0;

    public static nint Offset(int column) => column / 4;

    public static float Number(byte* at, float* scale, int column) => (*at >> (2 * (column & 3))) & 3;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector, TSimd>(byte* at, float* scale, int column, FieldConstants<TVector> constants)
        where TVector : struct
        where TSimd : IRowSimd<TVector> => TSimd.Fields2(at, constants);
}
