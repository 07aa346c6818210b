using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Rows of unsigned numbers of 4 bits, side by side.</summary>
internal readonly unsafe struct Field4Rows : IRowFormat
{
    public static float Number(StoredRow row, int column) => (row.Bytes[column / 2] >> (4 * (column & 1))) & 15;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector, TSimd>(StoredRow row, int column)
        where TVector : struct
        where TSimd : IRowSimd<TVector> => TSimd.Fields4(row.Bytes + (column / 2));
}
