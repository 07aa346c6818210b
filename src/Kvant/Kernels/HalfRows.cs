using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Rows of IEEE halves.</summary>
internal readonly unsafe struct HalfRows : IRowFormat
{
    public static float Number(StoredRow row, int column) => HalfBits.ToSingle(((short*)row.Bytes)[column]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector, TSimd>(StoredRow row, int column)
        where TVector : struct
        where TSimd : IRowSimd<TVector> => TSimd.Halves(row.Bytes + (2 * column));
}
