using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Rows of ggml's q4_0: groups of 32 numbers of 4 bits, plus 8, each behind two bytes of scale,
/// which the numbers are without; number i shares a byte with number i + 16.</summary>
internal readonly unsafe struct GgmlNibbleRows : IRowFormat
{
    public static int FieldBits => 4;

    public static int FieldBias => 8;

    public static nint Offset(int column) => (column / 32 * 18) + 2 + (column % 16);

    public static float Number(byte* at, float* scale, int column) => ((Upper(column) ? *at >> 4 : *at) & 15) - 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector, TSimd>(byte* at, float* scale, int column, FieldConstants<TVector> constants)
        where TVector : struct
        where TSimd : IRowSimd<TVector> => TSimd.Nibbles(at, Upper(column), constants);

    // The second half of a group lies in the upper bits.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Upper(int column) => (column & 16) != 0;
}
