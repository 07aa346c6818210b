using System.Diagnostics;

namespace Kvant.Kernels;

/// <summary>Collects scales that lie inside rows.</summary>
internal static unsafe class RowScales
{
    /// <summary>scales[r] = the IEEE half at <paramref name="offset"/> of row r; infinities and NaN become some number.</summary>
    public static void Halves(ReadOnlySpan<byte> rows, int offset, int stride, Span<float> scales)
    {
        Debug.Assert(scales.IsEmpty || rows.Length >= offset + ((scales.Length - 1) * stride) + sizeof(short), "The rows are too short.");
        fixed (byte* start = rows)
        {
            byte* at = start + offset;
            for (int r = 0; r < scales.Length; r++, at += stride)
                scales[r] = HalfBits.ToSingle(*(short*)at);
        }
    }

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
}
