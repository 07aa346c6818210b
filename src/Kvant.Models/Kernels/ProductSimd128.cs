using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Kvant.Models.Formats;

namespace Kvant.Models.Kernels;

/// <summary><see cref="IProductSimd{TVector}"/> over 128-bit registers: SSE2, AdvSimd, and without either.</summary>
internal readonly struct ProductSimd128 : IProductSimd<Vector128<float>>
{
    public static Vector128<float> Zero => Vector128<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Add<TFormat>(Vector128<float> sum, RunCodes codes, Vector256<short> first, Vector256<short> last, ref float factors)
        where TFormat : struct, ICodeFormat
    {
        Vector128<int> products = Half(codes.First, first), ofLast = Half(codes.Last, last);
        if (TFormat.ScalesPerRun == 1)
            return Vector128.MultiplyAddEstimate(Vector128.ConvertToSingle(products + ofLast), Vector128.Create(factors), sum);
        sum = Vector128.MultiplyAddEstimate(Vector128.ConvertToSingle(products), Vector128.Create(factors), sum);
        return Vector128.MultiplyAddEstimate(Vector128.ConvertToSingle(ofLast), Vector128.Create(Unsafe.Add(ref factors, 1)), sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector128<float> a, Vector128<float> b) => Vector128.Sum(a + b);

    /// <summary>Products of 16-bit integers, neighbors added: 32-bit integers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<int> MultiplyPairs(Vector128<short> a, Vector128<short> b) =>
        Sse2.IsSupported ? Sse2.MultiplyAddAdjacent(a, b)
        : AdvSimd.Arm64.IsSupported
            ? AdvSimd.Arm64.AddPairwise(AdvSimd.MultiplyWideningLower(a.GetLower(), b.GetLower()), AdvSimd.MultiplyWideningUpper(a, b))
        : MultiplyPairsPortable(a, b);

    /// <summary><see cref="MultiplyPairs"/> where the processor has no instruction for it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<int> MultiplyPairsPortable(Vector128<short> a, Vector128<short> b) =>
        (((a.AsInt32() << 16) >> 16) * ((b.AsInt32() << 16) >> 16)) + ((a.AsInt32() >> 16) * (b.AsInt32() >> 16));

    // 16 codes times 16 numbers.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Half(Vector256<short> codes, Vector256<short> numbers) =>
        MultiplyPairs(codes.GetLower(), numbers.GetLower()) + MultiplyPairs(codes.GetUpper(), numbers.GetUpper());
}
