using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Rows of bfloat16 numbers.</summary>
internal readonly unsafe struct BrainFloatRows : IRowFormat
{
    public static float Number(StoredRow row, int column) => BitConverter.Int32BitsToSingle(((ushort*)row.Bytes)[column] << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector, TSimd>(StoredRow row, int column)
        where TVector : struct
        where TSimd : IRowSimd<TVector> => TSimd.BrainFloats(row.Bytes + (2 * column));
}
