using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Rows of signed bytes.</summary>
internal readonly unsafe struct ByteRows : IRowFormat
{
    public static float Number(StoredRow row, int column) => ((sbyte*)row.Bytes)[column];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector, TSimd>(StoredRow row, int column)
        where TVector : struct
        where TSimd : IRowSimd<TVector> => TSimd.SignedBytes(row.Bytes + column);
}
