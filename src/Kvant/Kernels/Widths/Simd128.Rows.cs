using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>What attention over rows needs of 128-bit registers.</summary>
internal readonly unsafe partial struct Simd128 : IRowSimd<Vector128<float>>
{
    // Few bytes are loaded as one float or double, whatever they are: those go to a vector register at once, integers by way of another on Arm.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> MultiplyAdd(Vector128<float> a, Vector128<float> b, Vector128<float> c) => Vector128.MultiplyAddEstimate(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Halves(byte* source) => UnscaledHalves(source) * Vector128.Create(HalfBits.Bias);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> UnscaledHalves(byte* source)
    {
        Vector128<int> wide = Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(double*)source).AsInt16());
        return ((wide << 13) & Vector128.Create(HalfBits.Mask)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> BrainFloats(byte* source) =>
        (Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(double*)source).AsUInt16()) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> SignedBytes(byte* source) =>
        Vector128.ConvertToSingle(Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(float*)source).AsSByte())));

    // Registers of this width have no shift by lane, so that the fields are shifted before they come here.
    public static FieldConstants<Vector128<float>> Fields(int bits, int bias) => new(
        default,
        Vector128.Create((1 << bits) - 1).AsSingle(),
        Vector128.Create(8388608f),
        Vector128.Create(8388608f + bias));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Nibbles(byte* source, bool upper, FieldConstants<Vector128<float>> constants)
    {
        Vector128<int> bytes = Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(float*)source).AsByte())).AsInt32();
        return Number(upper ? bytes >>> 4 : bytes, constants);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Fields4(byte* source, FieldConstants<Vector128<float>> constants)
    {
        int fields = *(ushort*)source;
        return Number(Vector128.Create(fields, fields >> 4, fields >> 8, fields >> 12), constants);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Fields2(byte* source, FieldConstants<Vector128<float>> constants)
    {
        int fields = *source;
        return Number(Vector128.Create(fields, fields >> 2, fields >> 4, fields >> 6), constants);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector128<float> First, Vector128<float> Second) HalfPairs(byte* source)
    {
        Vector128<int> pairs = Vector128.Load((int*)source), mask = Vector128.Create(HalfBits.Mask);
        Vector128<float> bias = Vector128.Create(HalfBits.Bias);
        return ((((pairs << 16) >> 3) & mask).AsSingle() * bias, ((pairs >> 3) & mask).AsSingle() * bias);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Reverse(Vector128<float> a) => Vector128.Shuffle(a, Vector128.Create(3, 2, 1, 0));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sums(Vector128<float> a, Vector128<float> b, Vector128<float> c, Vector128<float> d) =>
        Vector128.Create(Vector128.Sum(a), Vector128.Sum(b), Vector128.Sum(c), Vector128.Sum(d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Number(Vector128<int> lanes, FieldConstants<Vector128<float>> constants) =>
        ((lanes.AsSingle() & constants.Mask) | constants.Exponent) - constants.Bias;

    internal static Vector128<int> ShiftRight(Vector128<int> value, Vector128<int> counts) =>
        Vector128.Create(value[0] >>> counts[0], value[1] >>> counts[1], value[2] >>> counts[2], value[3] >>> counts[3]);
}
