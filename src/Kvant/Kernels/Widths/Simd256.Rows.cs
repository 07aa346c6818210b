using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvant.Kernels;

/// <summary>What attention over rows needs of 256-bit registers.</summary>
internal readonly unsafe partial struct Simd256 : IRowSimd<Vector256<float>>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MultiplyAdd(Vector256<float> a, Vector256<float> b, Vector256<float> c) => Vector256.MultiplyAddEstimate(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Halves(byte* source) => UnscaledHalves(source) * Vector256.Create(HalfBits.Bias);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> UnscaledHalves(byte* source)
    {
        Vector256<int> wide = Vector256.WidenLower(Vector128.Load((short*)source).ToVector256Unsafe());
        return ((wide << 13) & Vector256.Create(HalfBits.Mask)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> BrainFloats(byte* source) =>
        (Vector256.WidenLower(Vector128.Load((ushort*)source).ToVector256Unsafe()) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> SignedBytes(byte* source) => Vector256.ConvertToSingle(
        Avx2.IsSupported
            ? Avx2.ConvertToVector256Int32((sbyte*)source)
            : Vector256.WidenLower(Vector256.WidenLower(Eight(source).AsSByte())));

    public static FieldConstants<Vector256<float>> Fields(int bits, int bias) => new(
        (Vector256.Create(0, 1, 2, 3, 4, 5, 6, 7) * bits).AsSingle(),
        Vector256.Create((1 << bits) - 1).AsSingle(),
        Vector256.Create(8388608f),
        Vector256.Create(8388608f + bias));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Nibbles(byte* source, bool upper, FieldConstants<Vector256<float>> constants)
    {
        Vector256<int> bytes = Avx2.IsSupported
            ? Avx2.ConvertToVector256Int32(source)
            : Vector256.WidenLower(Vector256.WidenLower(Eight(source))).AsInt32();
        return Number(upper ? bytes >>> 4 : bytes, constants);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Fields4(byte* source, FieldConstants<Vector256<float>> constants) =>
        Number(ShiftRight(Vector256.Create(*(int*)source), constants.Shifts.AsInt32()), constants);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Fields2(byte* source, FieldConstants<Vector256<float>> constants) =>
        Number(ShiftRight(Vector256.Create((int)*(ushort*)source), constants.Shifts.AsInt32()), constants);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<float> First, Vector256<float> Second) HalfPairs(byte* source)
    {
        Vector256<int> pairs = Vector256.Load((int*)source), mask = Vector256.Create(HalfBits.Mask);
        Vector256<float> bias = Vector256.Create(HalfBits.Bias);
        return ((((pairs << 16) >> 3) & mask).AsSingle() * bias, ((pairs >> 3) & mask).AsSingle() * bias);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Reverse(Vector256<float> a) => Vector256.Shuffle(a, Vector256.Create(7, 6, 5, 4, 3, 2, 1, 0));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sums(Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d)
    {
        if (!Avx.IsSupported)
            return Simd128.Sums(a.GetLower() + a.GetUpper(), b.GetLower() + b.GetUpper(), c.GetLower() + c.GetUpper(), d.GetLower() + d.GetUpper());

        // Two rounds of adding across leave a, b, c, d in each half.
        Vector256<float> ab = Avx.UnpackLow(a, b) + Avx.UnpackHigh(a, b), cd = Avx.UnpackLow(c, d) + Avx.UnpackHigh(c, d);
        Vector256<float> all = Avx.Shuffle(ab, cd, 0b01_00_01_00) + Avx.Shuffle(ab, cd, 0b11_10_11_10);
        return all.GetLower() + all.GetUpper();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<int> ShiftRight(Vector256<int> value, Vector256<int> counts) => Avx2.IsSupported
        ? Avx2.ShiftRightLogicalVariable(value, counts.AsUInt32())
        : Vector256.Create(Simd128.ShiftRight(value.GetLower(), counts.GetLower()), Simd128.ShiftRight(value.GetUpper(), counts.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Number(Vector256<int> lanes, FieldConstants<Vector256<float>> constants) =>
        ((lanes.AsSingle() & constants.Mask) | constants.Exponent) - constants.Bias;

    private static Vector256<byte> Eight(byte* source) => Vector256.CreateScalarUnsafe(*(long*)source).AsByte();
}
