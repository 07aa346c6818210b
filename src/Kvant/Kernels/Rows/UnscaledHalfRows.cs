using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Rows of IEEE halves without the multiplication that sets their exponents right: every number is 2^112 times too small, and
/// what it is multiplied by must be as much larger. A kernel has one multiplication in five less to do.</summary>
internal readonly unsafe struct UnscaledHalfRows : IRowFormat
{
    public static int FieldBits => 0;

    public static int FieldBias => 0;

    public static nint Offset(int column) => 2 * (nint)column;

    public static float Number(byte* at, float* scale, int column) => HalfBits.ToUnscaled(*(short*)at);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector, TSimd>(byte* at, float* scale, int column, FieldConstants<TVector> constants)
        where TVector : struct
        where TSimd : IRowSimd<TVector> => TSimd.UnscaledHalves(at);
}
