using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Rows of IEEE halves.</summary>
internal readonly unsafe struct HalfRows : IRowFormat
{
    public static int FieldBits => 0;

    public static int FieldBias => 0;

    public static nint Offset(int column) => 2 * (nint)column;

    public static float Number(byte* at, float* scale, int column) => HalfBits.ToSingle(*(short*)at);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector, TSimd>(byte* at, float* scale, int column, FieldConstants<TVector> constants)
        where TVector : struct
        where TSimd : IRowSimd<TVector> => TSimd.Halves(at);
}
