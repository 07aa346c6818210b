using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvant.Kernels;

/// <summary>What attention over rows needs of 512-bit registers.</summary>
internal readonly unsafe partial struct Simd512 : IRowSimd<Vector512<float>>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MultiplyAdd(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Vector512.MultiplyAddEstimate(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Halves(byte* source) => UnscaledHalves(source) * Vector512.Create(HalfBits.Bias);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> UnscaledHalves(byte* source)
    {
        Vector512<int> wide = Vector512.WidenLower(Vector256.Load((short*)source).ToVector512Unsafe());
        return ((wide << 13) & Vector512.Create(HalfBits.Mask)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> BrainFloats(byte* source) =>
        (Vector512.WidenLower(Vector256.Load((ushort*)source).ToVector512Unsafe()) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> SignedBytes(byte* source) => Vector512.ConvertToSingle(
        Avx512F.IsSupported
            ? Avx512F.ConvertToVector512Int32(Vector128.Load((sbyte*)source))
            : Vector512.WidenLower(Vector512.WidenLower(Vector128.Load((sbyte*)source).ToVector256Unsafe().ToVector512Unsafe())));

    public static FieldConstants<Vector512<float>> Fields(int bits, int bias) => new(
        (bits == 2 ? Vector512.Create(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
            : Avx512Vbmi.IsSupported ? Vector512.Create(0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60)
            : Vector512.Create(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28)).AsSingle(),
        Vector512.Create((1 << bits) - 1).AsSingle(),
        Vector512.Create(8388608f),
        Vector512.Create(8388608f + bias));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Nibbles(byte* source, bool upper, FieldConstants<Vector512<float>> constants)
    {
        Vector512<int> bytes = Avx512F.IsSupported
            ? Avx512F.ConvertToVector512Int32(Vector128.Load(source))
            : Vector512.WidenLower(Vector512.WidenLower(Vector128.Load(source).ToVector256Unsafe().ToVector512Unsafe())).AsInt32();
        return Number(upper ? bytes >>> 4 : bytes, constants);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Fields4(byte* source, FieldConstants<Vector512<float>> constants)
    {
        // Every byte of the result is a window of eight bits of its 64-bit lane; only the lowest byte of each float's lane matters.
        if (Avx512Vbmi.IsSupported)
            return Number(Avx512Vbmi.MultiShift(constants.Shifts.AsByte(), Vector512.Create(*(ulong*)source)).AsInt32(), constants);
        var halves = Vector512.Create(Vector256.Create(*(int*)source), Vector256.Create(*(int*)(source + 4)));
        return Number(ShiftRight(halves, constants.Shifts.AsInt32()), constants);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Fields2(byte* source, FieldConstants<Vector512<float>> constants) =>
        Number(ShiftRight(Vector512.Create(*(int*)source), constants.Shifts.AsInt32()), constants);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<float> First, Vector512<float> Second) HalfPairs(byte* source)
    {
        Vector512<int> pairs = Vector512.Load((int*)source), mask = Vector512.Create(HalfBits.Mask);
        Vector512<float> bias = Vector512.Create(HalfBits.Bias);
        return ((((pairs << 16) >> 3) & mask).AsSingle() * bias, ((pairs >> 3) & mask).AsSingle() * bias);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Reverse(Vector512<float> a) => Vector512.Shuffle(a, Vector512.Create(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sums(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d) =>
        Simd256.Sums(a.GetLower() + a.GetUpper(), b.GetLower() + b.GetUpper(), c.GetLower() + c.GetUpper(), d.GetLower() + d.GetUpper());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Number(Vector512<int> lanes, FieldConstants<Vector512<float>> constants) =>
        ((lanes.AsSingle() & constants.Mask) | constants.Exponent) - constants.Bias;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> ShiftRight(Vector512<int> value, Vector512<int> counts) => Avx512F.IsSupported
        ? Avx512F.ShiftRightLogicalVariable(value, counts.AsUInt32())
        : Vector512.Create(Simd256.ShiftRight(value.GetLower(), counts.GetLower()), Simd256.ShiftRight(value.GetUpper(), counts.GetUpper()));
}
