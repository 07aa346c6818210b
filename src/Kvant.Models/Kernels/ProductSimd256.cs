using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Kvant.Models.Formats;

namespace Kvant.Models.Kernels;

/// <summary><see cref="IProductSimd{TVector}"/> over 256-bit registers: AVX2, with the sums of AVX-VNNI where the processor has it.</summary>
internal readonly struct ProductSimd256 : IProductSimd<Vector256<float>>
{
    public static Vector256<float> Zero => Vector256<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Add<TFormat>(Vector256<float> sum, ref byte blocks, int run, ref short numbers, float factor)
        where TFormat : struct, ICodeFormat
    {
        RunCodes codes = TFormat.ReadCodes(ref blocks, run);
        Vector256<int> first = MultiplyPairs(codes.First, Vector256.LoadUnsafe(ref numbers));
        Vector256<short> numbersOfLast = Vector256.LoadUnsafe(ref numbers, 16);
        Vector256<int> both = AvxVnni.IsSupported ? AvxVnni.MultiplyWideningAndAdd(first, codes.Last, numbersOfLast) : first + MultiplyPairs(codes.Last, numbersOfLast);
        return Vector256.MultiplyAddEstimate(Vector256.ConvertToSingle(both), Vector256.Create(factor), sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Add<TFormat>(Vector256<float> sum, ref byte blocks, int run, ref short numbers, float factor, float lastFactor)
        where TFormat : struct, ICodeFormat
    {
        RunCodes codes = TFormat.ReadCodes(ref blocks, run);
        Vector256<int> first = MultiplyPairs(codes.First, Vector256.LoadUnsafe(ref numbers)), last = MultiplyPairs(codes.Last, Vector256.LoadUnsafe(ref numbers, 16));
        sum = Vector256.MultiplyAddEstimate(Vector256.ConvertToSingle(first), Vector256.Create(factor), sum);
        return Vector256.MultiplyAddEstimate(Vector256.ConvertToSingle(last), Vector256.Create(lastFactor), sum);
    }

    public static float Sum(Vector256<float> a, Vector256<float> b) => Vector256.Sum(a + b);

    /// <inheritdoc cref="ProductSimd128.MultiplyPairs"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<int> MultiplyPairs(Vector256<short> a, Vector256<short> b) => Avx2.IsSupported
        ? Avx2.MultiplyAddAdjacent(a, b)
        : Vector256.Create(ProductSimd128.MultiplyPairs(a.GetLower(), b.GetLower()), ProductSimd128.MultiplyPairs(a.GetUpper(), b.GetUpper()));
}
