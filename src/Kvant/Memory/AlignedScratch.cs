using System.Runtime.CompilerServices;

namespace Kvant.Memory;

/// <summary>
/// One buffer of floats per thread, kept from call to call, that begins at a cache line. Vectors that straddle two lines take twice
/// the time, and arrays of the runtime begin anywhere.
/// </summary>
internal static unsafe class AlignedScratch
{
    private const int LineBytes = 64;

    [ThreadStatic]
    private static float[]? t_buffer;

    /// <summary>The thread's buffer. It holds what was last written to it, by anybody on this thread.</summary>
    /// <param name="count">Floats that are needed.</param>
    public static Span<float> Floats(int count)
    {
        float[]? buffer = t_buffer;
        if (buffer is null || buffer.Length < count + (LineBytes / sizeof(float)))
        {
            // Pinned for good, so that the line where it begins stays the same.
            buffer = GC.AllocateUninitializedArray<float>(count + (LineBytes / sizeof(float)), pinned: true);
            t_buffer = buffer;
        }

        nint address = (nint)Unsafe.AsPointer(ref buffer[0]);
        int skip = (int)((LineBytes - (address % LineBytes)) % LineBytes / sizeof(float));
        return buffer.AsSpan(skip, count);
    }
}
