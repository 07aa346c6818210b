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
    public static Vector128<float> Add<TFormat>(Vector128<float> sum, ref byte blocks, int run, ref short numbers, float factor)
        where TFormat : struct, ICodeFormat
    {
        RunCodes codes = TFormat.ReadCodes(ref blocks, run);
        return Vector128.MultiplyAddEstimate(Vector128.ConvertToSingle(Half(codes.First, ref numbers, 0) + Half(codes.Last, ref numbers, 16)), Vector128.Create(factor), sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Add<TFormat>(Vector128<float> sum, ref byte blocks, int run, ref short numbers, float factor, float lastFactor)
        where TFormat : struct, ICodeFormat
    {
        RunCodes codes = TFormat.ReadCodes(ref blocks, run);
        sum = Vector128.MultiplyAddEstimate(Vector128.ConvertToSingle(Half(codes.First, ref numbers, 0)), Vector128.Create(factor), sum);
        return Vector128.MultiplyAddEstimate(Vector128.ConvertToSingle(Half(codes.Last, ref numbers, 16)), Vector128.Create(lastFactor), sum);
    }

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
    private static Vector128<int> Half(Vector256<short> codes, ref short numbers, nuint at) =>
        MultiplyPairs(codes.GetLower(), Vector128.LoadUnsafe(ref numbers, at)) + MultiplyPairs(codes.GetUpper(), Vector128.LoadUnsafe(ref numbers, at + 8));
}
