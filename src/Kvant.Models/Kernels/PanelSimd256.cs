using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Kvant.Models.Formats;

namespace Kvant.Models.Kernels;

/// <summary><see cref="IPanelSimd{TVector}"/> over 256-bit registers: AVX2, with the sums of AVX-VNNI where the processor has it.</summary>
internal readonly struct PanelSimd256 : IPanelSimd<Vector256<float>>
{
    public static int Lanes => Vector256<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(ref float source) => Vector256.LoadUnsafe(ref source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector256<float> value, ref float destination) => value.StoreUnsafe(ref destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> AddPairs(Vector256<float> sum, Vector256<float> words, ref short pair)
    {
        Vector256<short> both = Vector256.Create(Unsafe.As<short, int>(ref pair)).AsInt16();
        return (AvxVnni.IsSupported
            ? AvxVnni.MultiplyWideningAndAdd(sum.AsInt32(), words.AsInt16(), both) : sum.AsInt32() + ProductSimd256.MultiplyPairs(words.AsInt16(), both)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> AddScaled(Vector256<float> sum, Vector256<float> integers, Vector256<float> scales, float factor) =>
        Vector256.MultiplyAddEstimate(Vector256.ConvertToSingle(integers.AsInt32()), scales * Vector256.Create(factor), sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> AddProduct(Vector256<float> sum, Vector256<float> a, float factor) => Vector256.MultiplyAddEstimate(a, Vector256.Create(factor), sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Add(Vector256<float> a, Vector256<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> AddProduct(Vector256<float> sum, Vector256<float> a, Vector256<float> b) => Vector256.MultiplyAddEstimate(a, b, sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Multiply(Vector256<float> a, Vector256<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Broadcast(int number) => Vector256.Create(number).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> AddIntegers(Vector256<float> a, Vector256<float> b) => (a.AsInt32() + b.AsInt32()).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Subtract(Vector256<float> words, short number) => (words.AsInt16() - Vector256.Create(number)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Field(Vector256<float> words, int shift, short mask)
    {
        Vector256<short> bits = shift < 0 ? words.AsInt16() << -shift : shift == 0 ? words.AsInt16() : words.AsInt16() >>> shift;
        // Where the topmost bits become the lowest, nothing is left to mask.
        return ((mask & 1) != 0 && mask << shift >= 1 << 15 ? bits : bits & Vector256.Create(mask)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Or(Vector256<float> a, Vector256<float> b) => a | b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadHalves(ref byte source) =>
        ((Vector256.WidenLower(Vector128.LoadUnsafe(ref Unsafe.As<byte, short>(ref source)).ToVector256Unsafe()) << 13) & Vector256.Create(BlockMath.HalfBits)).AsSingle() * BlockMath.HalfToSingle;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadUnits(ref byte source) => Vector256.ConvertToSingle(Vector256.WidenLower(Vector256.WidenLower(Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<long>(ref source)).AsSByte().ToVector256Unsafe())));
}
