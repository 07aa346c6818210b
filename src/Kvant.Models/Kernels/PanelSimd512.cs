using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Kvant.Models.Formats;

namespace Kvant.Models.Kernels;

/// <summary><see cref="IPanelSimd{TVector}"/> over 512-bit registers: AVX-512BW.</summary>
internal readonly struct PanelSimd512 : IPanelSimd<Vector512<float>>
{
    public static int Lanes => Vector512<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(ref float source) => Vector512.LoadUnsafe(ref source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<float> value, ref float destination) => value.StoreUnsafe(ref destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> AddPairs(Vector512<float> sum, Vector512<float> words, ref short pair)
    {
        Vector512<short> both = Vector512.Create(Unsafe.As<short, int>(ref pair)).AsInt16();
        Vector512<int> products = Avx512BW.IsSupported
            ? Avx512BW.MultiplyAddAdjacent(words.AsInt16(), both)
            : Vector512.Create(ProductSimd256.MultiplyPairs(words.AsInt16().GetLower(), both.GetLower()), ProductSimd256.MultiplyPairs(words.AsInt16().GetUpper(), both.GetUpper()));
        return (sum.AsInt32() + products).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> AddScaled(Vector512<float> sum, Vector512<float> integers, Vector512<float> scales, float factor) =>
        Vector512.MultiplyAddEstimate(Vector512.ConvertToSingle(integers.AsInt32()), scales * Vector512.Create(factor), sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> AddProduct(Vector512<float> sum, Vector512<float> a, float factor) => Vector512.MultiplyAddEstimate(a, Vector512.Create(factor), sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Add(Vector512<float> a, Vector512<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> AddProduct(Vector512<float> sum, Vector512<float> a, Vector512<float> b) => Vector512.MultiplyAddEstimate(a, b, sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Multiply(Vector512<float> a, Vector512<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Broadcast(int number) => Vector512.Create(number).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> AddIntegers(Vector512<float> a, Vector512<float> b) => (a.AsInt32() + b.AsInt32()).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Subtract(Vector512<float> words, short number) => (words.AsInt16() - Vector512.Create(number)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Field(Vector512<float> words, int shift, short mask)
    {
        Vector512<short> bits = shift < 0 ? words.AsInt16() << -shift : shift == 0 ? words.AsInt16() : words.AsInt16() >>> shift;
        // Where the topmost bits become the lowest, nothing is left to mask.
        return ((mask & 1) != 0 && mask << shift >= 1 << 15 ? bits : bits & Vector512.Create(mask)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Or(Vector512<float> a, Vector512<float> b) => a | b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadHalves(ref byte source) =>
        ((Vector512.WidenLower(Vector256.LoadUnsafe(ref Unsafe.As<byte, short>(ref source)).ToVector512Unsafe()) << 13) & Vector512.Create(BlockMath.HalfBits)).AsSingle() * BlockMath.HalfToSingle;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadUnits(ref byte source) => Vector512.ConvertToSingle(Vector512.WidenLower(Vector512.WidenLower(Vector128.LoadUnsafe(ref source).AsSByte().ToVector256Unsafe().ToVector512Unsafe())));
}
