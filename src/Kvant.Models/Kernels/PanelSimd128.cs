using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Kvant.Models.Formats;

namespace Kvant.Models.Kernels;

/// <summary><see cref="IPanelSimd{TVector}"/> over 128-bit registers: SSE2, AdvSimd, and without either.</summary>
internal readonly struct PanelSimd128 : IPanelSimd<Vector128<float>>
{
    public static int Lanes => Vector128<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load(ref float source) => Vector128.LoadUnsafe(ref source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<float> value, ref float destination) => value.StoreUnsafe(ref destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> AddPairs(Vector128<float> sum, Vector128<float> words, ref short pair)
    {
        Vector128<short> both = Vector128.Create(Unsafe.As<short, int>(ref pair)).AsInt16();
        return (sum.AsInt32() + ProductSimd128.MultiplyPairs(words.AsInt16(), both)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> AddScaled(Vector128<float> sum, Vector128<float> integers, Vector128<float> scales, float factor) =>
        Vector128.MultiplyAddEstimate(Vector128.ConvertToSingle(integers.AsInt32()), scales * Vector128.Create(factor), sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> AddProduct(Vector128<float> sum, Vector128<float> a, float factor) => Vector128.MultiplyAddEstimate(a, Vector128.Create(factor), sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Add(Vector128<float> a, Vector128<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> AddProduct(Vector128<float> sum, Vector128<float> a, Vector128<float> b) => Vector128.MultiplyAddEstimate(a, b, sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Multiply(Vector128<float> a, Vector128<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Broadcast(int number) => Vector128.Create(number).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> AddIntegers(Vector128<float> a, Vector128<float> b) => (a.AsInt32() + b.AsInt32()).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Subtract(Vector128<float> words, short number) => (words.AsInt16() - Vector128.Create(number)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Field(Vector128<float> words, int shift, short mask)
    {
        Vector128<short> bits = shift < 0 ? words.AsInt16() << -shift : shift == 0 ? words.AsInt16() : words.AsInt16() >>> shift;
        // Where the topmost bits become the lowest, nothing is left to mask.
        return ((mask & 1) != 0 && mask << shift >= 1 << 15 ? bits : bits & Vector128.Create(mask)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Or(Vector128<float> a, Vector128<float> b) => a | b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadHalves(ref byte source) =>
        ((Vector128.WidenLower(Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<long>(ref source)).AsInt16()) << 13) & Vector128.Create(BlockMath.HalfBits)).AsSingle() * BlockMath.HalfToSingle;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadUnits(ref byte source) => Vector128.ConvertToSingle(Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<int>(ref source)).AsSByte())));
}
