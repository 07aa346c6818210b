using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Rows of bfloat16 numbers.</summary>
internal readonly unsafe struct BrainFloatRows : IRowFormat
{
    public static int FieldBits => 0;

    public static int FieldBias => 0;

    public static nint Offset(int column) => 2 * (nint)column;

    public static float Number(byte* at, float* scale, int column) => BitConverter.Int32BitsToSingle(*(ushort*)at << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector, TSimd>(byte* at, float* scale, int column, FieldConstants<TVector> constants)
        where TVector : struct
        where TSimd : IRowSimd<TVector> => TSimd.BrainFloats(at);
}
