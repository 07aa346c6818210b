using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Rows of numbers of 4 bits, plus 8, side by side.</summary>
internal readonly unsafe struct SignedField4Rows : IRowFormat
{
    public static int FieldBits => 4;

    public static int FieldBias => 8;

    public static nint Offset(int column) => column / 2;

    public static float Number(byte* at, float* scale, int column) => ((*at >> (4 * (column & 1))) & 15) - 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector, TSimd>(byte* at, float* scale, int column, FieldConstants<TVector> constants)
        where TVector : struct
        where TSimd : IRowSimd<TVector> => TSimd.Fields4(at, constants);
}
