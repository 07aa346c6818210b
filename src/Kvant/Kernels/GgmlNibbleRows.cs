using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Rows of ggml's q4_0: groups of 32 numbers of 4 bits, plus 8, each behind two bytes of scale; number i shares a byte with number i + 16.
/// Without the scale.</summary>
internal readonly unsafe struct GgmlNibbleRows : IRowFormat
{
    private const int GroupBytes = 18;

    public static float Number(StoredRow row, int column) => ((*At(row, column) >> Shift(column)) & 15) - 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector, TSimd>(StoredRow row, int column)
        where TVector : struct
        where TSimd : IRowSimd<TVector> => TSimd.Nibbles(At(row, column), Shift(column));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte* At(StoredRow row, int column) => row.Bytes + ((column >>> 5) * GroupBytes) + 2 + (column & 15);

    // 0 for the lower half of a group, 4 for the upper.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Shift(int column) => (column & 16) >>> 2;
}
