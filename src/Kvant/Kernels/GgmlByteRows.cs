using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Rows of ggml's q8_0: groups of 32 signed bytes, each behind two bytes of scale. Without the scale.</summary>
internal readonly unsafe struct GgmlByteRows : IRowFormat
{
    private const int GroupBytes = 34;

    public static float Number(StoredRow row, int column) => (sbyte)*At(row, column);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector, TSimd>(StoredRow row, int column)
        where TVector : struct
        where TSimd : IRowSimd<TVector> => TSimd.SignedBytes(At(row, column));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte* At(StoredRow row, int column) => row.Bytes + ((column >>> 5) * GroupBytes) + 2 + (column & 31);
}
