using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvant.Kernels;

/// <summary>What attention over rows needs of 512-bit registers.</summary>
internal readonly unsafe partial struct Simd512 : IRowSimd<Vector512<float>>
{
    // Where the 4-bit number of each 32-bit lane begins in the 64 bits that hold sixteen of them.
    private static Vector512<byte> Windows4
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector512.Create(0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60).AsByte();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MultiplyAdd(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Vector512.MultiplyAddEstimate(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Halves(byte* source)
    {
        Vector512<int> wide = Vector512.WidenLower(Vector256.Load((short*)source).ToVector512Unsafe());
        return ((wide << 13) & Vector512.Create(HalfBits.Mask)).AsSingle() * Vector512.Create(HalfBits.Bias);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> BrainFloats(byte* source) =>
        (Vector512.WidenLower(Vector256.Load((ushort*)source).ToVector512Unsafe()) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> SignedBytes(byte* source) => Vector512.ConvertToSingle(
        Avx512F.IsSupported
            ? Avx512F.ConvertToVector512Int32(Vector128.Load((sbyte*)source))
            : Vector512.WidenLower(Vector512.WidenLower(Vector128.Load((sbyte*)source).ToVector256Unsafe().ToVector512Unsafe())));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Nibbles(byte* source, bool upper)
    {
        Vector512<int> bytes = Avx512F.IsSupported
            ? Avx512F.ConvertToVector512Int32(Vector128.Load(source))
            : Vector512.WidenLower(Vector512.WidenLower(Vector128.Load(source).ToVector256Unsafe().ToVector512Unsafe())).AsInt32();
        return SmallIntegers(upper ? bytes >>> 4 : bytes, 15, 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Fields4(byte* source)
    {
        // Every byte of the result is a window of eight bits of its 64-bit lane; only the lowest byte of each float's lane matters.
        if (Avx512Vbmi.IsSupported)
            return SmallIntegers(Avx512Vbmi.MultiShift(Windows4, Vector512.Create(*(ulong*)source)).AsInt32(), 15, 0);
        var halves = Vector512.Create(Vector256.Create(*(int*)source), Vector256.Create(*(int*)(source + 4)));
        return SmallIntegers(ShiftRight(halves, Vector512.Create(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28)), 15, 0);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Fields2(byte* source) => SmallIntegers(
        ShiftRight(Vector512.Create(*(int*)source), Vector512.Create(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)), 3, 0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<float> First, Vector512<float> Second) HalfPairs(byte* source)
    {
        Vector512<int> pairs = Vector512.Load((int*)source), mask = Vector512.Create(HalfBits.Mask);
        Vector512<float> bias = Vector512.Create(HalfBits.Bias);
        return ((((pairs << 16) >> 3) & mask).AsSingle() * bias, ((pairs >> 3) & mask).AsSingle() * bias);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sums(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d) =>
        Simd256.Sums(a.GetLower() + a.GetUpper(), b.GetLower() + b.GetUpper(), c.GetLower() + c.GetUpper(), d.GetLower() + d.GetUpper());

    // Some low bits of each lane, minus a bias, as floats: set below the exponent of 2^23, they count ones. A logical operation and a
    // subtraction run beside the multiplications; conversions and permutations share a port with them.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> SmallIntegers(Vector512<int> lanes, int mask, int bias) =>
        ((lanes & Vector512.Create(mask)) | Vector512.Create(0x4B000000)).AsSingle() - Vector512.Create(8388608f + bias);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> ShiftRight(Vector512<int> value, Vector512<int> counts) => Avx512F.IsSupported
        ? Avx512F.ShiftRightLogicalVariable(value, counts.AsUInt32())
        : Vector512.Create(Simd256.ShiftRight(value.GetLower(), counts.GetLower()), Simd256.ShiftRight(value.GetUpper(), counts.GetUpper()));
}
