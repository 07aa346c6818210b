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
    public static Vector256<float> Add<TFormat>(Vector256<float> sum, RunCodes codes, Vector256<short> first, Vector256<short> last, ref float factors)
        where TFormat : struct, ICodeFormat
    {
        Vector256<int> products = MultiplyPairs(codes.First, first);
        if (TFormat.ScalesPerRun == 2)
        {
            sum = Vector256.MultiplyAddEstimate(Vector256.ConvertToSingle(products), Vector256.Create(factors), sum);
            return Vector256.MultiplyAddEstimate(Vector256.ConvertToSingle(MultiplyPairs(codes.Last, last)), Vector256.Create(Unsafe.Add(ref factors, 1)), sum);
        }

        products = AvxVnni.IsSupported ? AvxVnni.MultiplyWideningAndAdd(products, codes.Last, last) : products + MultiplyPairs(codes.Last, last);
        return Vector256.MultiplyAddEstimate(Vector256.ConvertToSingle(products), Vector256.Create(factors), sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector256<float> a, Vector256<float> b) => Vector256.Sum(a + b);

    /// <inheritdoc cref="ProductSimd128.MultiplyPairs"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<int> MultiplyPairs(Vector256<short> a, Vector256<short> b) => Avx2.IsSupported
        ? Avx2.MultiplyAddAdjacent(a, b)
        : Vector256.Create(ProductSimd128.MultiplyPairs(a.GetLower(), b.GetLower()), ProductSimd128.MultiplyPairs(a.GetUpper(), b.GetUpper()));
}
