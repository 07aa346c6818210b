using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Kvant.Kernels;

/// <summary>
/// Fetches memory that will be read soon, a little with each step of a kernel: asked for all at once, the lines would queue up and
/// the kernel would wait behind them. Into the second-level cache, because a run of rows does not fit the first.
/// </summary>
internal unsafe struct Prefetch
{
    private const int LineBytes = 64;

    private byte* _at;
    private readonly nint _pace;

    /// <summary>Spreads memory over the steps of a kernel.</summary>
    /// <param name="start">Its beginning.</param>
    /// <param name="length">Bytes; 0 fetches nothing.</param>
    /// <param name="steps">Calls of <see cref="Step"/> to come.</param>
    public Prefetch(byte* start, int length, int steps)
    {
        _at = start;
        _pace = steps == 0 ? 0 : length / steps;
    }

    /// <summary>Fetches the next part.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Step()
    {
        // Fetching is a hint: an address beyond the end does no harm.
        if (!Sse.IsSupported)
            return;
        byte* end = _at + _pace;
        for (byte* line = _at; line < end; line += LineBytes)
            Sse.Prefetch1(line);
        _at = end;
    }
}
