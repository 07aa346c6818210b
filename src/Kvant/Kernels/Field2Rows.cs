using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Rows of unsigned numbers of 2 bits, side by side.</summary>
internal readonly unsafe struct Field2Rows : IRowFormat
{
    public static float Number(StoredRow row, int column) => (row.Bytes[column / 4] >> (2 * (column & 3))) & 3;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector, TSimd>(StoredRow row, int column)
        where TVector : struct
        where TSimd : IRowSimd<TVector> => TSimd.Fields2(row.Bytes + (column / 4));
}
