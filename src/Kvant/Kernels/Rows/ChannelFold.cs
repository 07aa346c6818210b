using System.Diagnostics;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>Takes minimum and step of each channel from the rows of a block into a query: the block then needs only its codes.</summary>
/// <remarks>q . (minimum + code * step) = q . minimum + (q * step) . code. The scalar loop is the definition.</remarks>
internal static unsafe class ChannelFold
{
    /// <summary>folded = query * step; returns query . minimum.</summary>
    /// <param name="parameters">Minimum and step of each channel in turn, as IEEE halves.</param>
    /// <param name="query">A number per channel.</param>
    /// <param name="folded">Receives as many.</param>
    public static float Apply(ReadOnlySpan<byte> parameters, ReadOnlySpan<float> query, Span<float> folded)
    {
        Debug.Assert(parameters.Length >= 4 * query.Length && folded.Length >= query.Length, "Too short.");
        fixed (byte* p = parameters)
        fixed (float* q = query, f = folded)
        {
            return SimdSupport.For(query.Length) switch
            {
                SimdWidth.Bits512 => Wide<Vector512<float>, Simd512>(p, q, f, query.Length),
                SimdWidth.Bits256 => Wide<Vector256<float>, Simd256>(p, q, f, query.Length),
                SimdWidth.Bits128 => Wide<Vector128<float>, Simd128>(p, q, f, query.Length),
                _ => Scalar(p, q, f, query.Length),
            };
        }
    }

    private static float Scalar(byte* parameters, float* query, float* folded, int length)
    {
        float sum = 0;
        for (int i = 0; i < length; i++)
        {
            sum += query[i] * HalfBits.ToSingle(((short*)parameters)[2 * i]);
            folded[i] = query[i] * HalfBits.ToSingle(((short*)parameters)[(2 * i) + 1]);
        }

        return sum;
    }

    private static float Wide<TVector, TSimd>(byte* parameters, float* query, float* folded, int length)
        where TVector : struct
        where TSimd : IRowSimd<TVector>
    {
        TVector sum = TSimd.Zero;
        for (int i = 0; i < length; i += TSimd.Lanes)
        {
            (TVector minimum, TVector step) = TSimd.HalfPairs(parameters + (4 * i));
            TVector numbers = TSimd.Load(query + i);
            sum = TSimd.MultiplyAdd(numbers, minimum, sum);
            TSimd.Store(TSimd.Multiply(numbers, step), folded + i);
        }

        return TSimd.Sums(sum, sum, sum, sum).ToScalar();
    }
}
