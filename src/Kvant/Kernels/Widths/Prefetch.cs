using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Kvant.Kernels;

/// <summary>
/// Fetches memory that will be read soon, a little with each step of a kernel: asked for all at once, the lines would queue up and
/// the kernel would wait behind them. Into the second-level cache, because a run of rows does not fit the first.
/// </summary>
internal static unsafe class Prefetch
{
    private const int LineBytes = 64;

    /// <summary>Bytes to fetch with each step.</summary>
    /// <param name="bytes">All that is to be fetched.</param>
    /// <param name="steps">Steps of the kernel.</param>
    public static nint Pace(int bytes, int steps) => bytes / Math.Max(1, steps);

    /// <summary>Fetches the next bytes and returns where they end. A hint: an address beyond the end does no harm.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Step(byte* at, nint pace)
    {
        byte* end = at + pace;
        if (Sse.IsSupported)
        {
            for (; at < end; at += LineBytes)
                Sse.Prefetch1(at);
        }

        return end;
    }

    /// <summary>Fetches a few bytes of each row at once, as no kernel reads that has a pace: so few that they do not queue up.</summary>
    /// <param name="rows">Begins at the bytes of the first row; may be empty.</param>
    /// <param name="stride">Bytes from those of one row to those of the next.</param>
    /// <param name="length">How many bytes of a row.</param>
    public static void Some(ReadOnlySpan<byte> rows, int stride, int length)
    {
        fixed (byte* first = rows)
        {
            for (byte* at = first, end = first + rows.Length; at < end; at += stride)
                Step(at, length);
        }
    }
}
