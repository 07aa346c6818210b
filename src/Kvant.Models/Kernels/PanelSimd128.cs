using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

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
}
