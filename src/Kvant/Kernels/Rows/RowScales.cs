using System.Diagnostics;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>Collects scales that lie inside rows.</summary>
internal static unsafe class RowScales
{
    // First all halves are collected, then all are converted: a wide read right behind narrow writes would wait for them.
    private const int Chunk = 128;

    /// <summary>scales[r] = the float at <paramref name="offset"/> of row r.</summary>
    public static void Singles(ReadOnlySpan<byte> rows, int offset, int stride, Span<float> scales)
    {
        Debug.Assert(scales.IsEmpty || rows.Length >= offset + ((scales.Length - 1) * stride) + sizeof(float), "The rows are too short.");
        fixed (byte* start = rows)
        {
            byte* at = start + offset;
            for (int r = 0; r < scales.Length; r++, at += stride)
                scales[r] = *(float*)at;
        }
    }

    /// <summary>scaled[q, r] = weights[q, r] times the IEEE half at <paramref name="offset"/> of row r; infinities and NaN count as some number.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="offset">Bytes from the beginning of a row to its scale.</param>
    /// <param name="stride">Bytes from one row to the next.</param>
    /// <param name="count">Rows.</param>
    /// <param name="weights">The weights; the row's number is the index. Empty stands for ones.</param>
    /// <param name="weightStride">Floats from the weights of one query to those of the next.</param>
    /// <param name="queries">Queries.</param>
    /// <param name="scaled">Receives the products.</param>
    /// <param name="scaledStride">Floats from the products of one query to those of the next.</param>
    public static void Weigh(
        ReadOnlySpan<byte> rows, int offset, int stride, int count, ReadOnlySpan<float> weights, int weightStride, int queries, Span<float> scaled, int scaledStride)
    {
        Debug.Assert(rows.Length >= offset + ((count - 1) * stride) + sizeof(short) && scaled.Length >= ((queries - 1) * scaledStride) + count, "Too short.");
        short* halves = stackalloc short[Chunk];
        fixed (byte* start = rows)
        fixed (float* w = weights, s = scaled)
        {
            byte* at = start + offset;
            for (int done = 0; done < count; done += Chunk)
            {
                int part = Math.Min(Chunk, count - done), r = 0;
                for (; r < part; r++, at += stride)
                    halves[r] = *(short*)at;
                float* from = w == null ? null : w + done, to = s + done;
                r = SimdSupport.Active switch
                {
                    SimdWidth.Bits512 => Wide<Vector512<float>, Simd512>(halves, part, from, weightStride, queries, to, scaledStride),
                    SimdWidth.Bits256 => Wide<Vector256<float>, Simd256>(halves, part, from, weightStride, queries, to, scaledStride),
                    SimdWidth.Bits128 => Wide<Vector128<float>, Simd128>(halves, part, from, weightStride, queries, to, scaledStride),
                    _ => 0,
                };
                for (; r < part; r++)
                {
                    for (int q = 0; q < queries; q++)
                        to[(q * scaledStride) + r] = HalfBits.ToSingle(halves[r]) * (from == null ? 1 : from[(q * weightStride) + r]);
                }
            }
        }
    }

    private static int Wide<TVector, TSimd>(short* halves, int count, float* weights, nint weightStride, int queries, float* scaled, nint scaledStride)
        where TVector : struct
        where TSimd : IRowSimd<TVector>
    {
        int r = 0;
        for (; r + TSimd.Lanes <= count; r += TSimd.Lanes)
        {
            TVector scales = TSimd.Halves((byte*)(halves + r));
            for (int q = 0; q < queries; q++)
                TSimd.Store(weights == null ? scales : TSimd.Multiply(scales, TSimd.Load(weights + (q * weightStride) + r)), scaled + (q * scaledStride) + r);
        }

        return r;
    }
}
