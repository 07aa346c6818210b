using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Rows of 32-bit floats.</summary>
internal readonly unsafe struct SingleRows : IRowFormat
{
    public static float Number(StoredRow row, int column) => ((float*)row.Bytes)[column];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector, TSimd>(StoredRow row, int column)
        where TVector : struct
        where TSimd : IRowSimd<TVector> => TSimd.Load((float*)row.Bytes + column);
}
