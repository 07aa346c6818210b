using System.Runtime.CompilerServices;

namespace Kvant.Memory;

/// <summary>
/// A buffer of floats that begins at a cache line, for as long as a call takes. Vectors that straddle two lines take twice the
/// time, and arrays of the runtime begin anywhere. Each thread keeps its last three buffers for its next calls, so that a call inside
/// a call finds one of its own: a codec in a codec, and the search of the inner one.
/// </summary>
internal unsafe ref struct AlignedScratch
{
    private const int LineBytes = 64;

    [ThreadStatic]
    private static float[]? t_kept;

    [ThreadStatic]
    private static float[]? t_spare;

    [ThreadStatic]
    private static float[]? t_third;

    private float[]? _buffer;

    /// <summary>Takes a buffer; what it holds is left over from others.</summary>
    /// <param name="count">Floats that are needed.</param>
    public AlignedScratch(int count)
    {
        float[]? buffer = t_kept;
        t_kept = t_spare;
        t_spare = t_third;
        t_third = null;
        if (buffer is null || buffer.Length < count + (LineBytes / sizeof(float)))
        {
            // Pinned for good, so that the line where it begins stays the same.
            buffer = GC.AllocateUninitializedArray<float>(count + (LineBytes / sizeof(float)), pinned: true);
        }

        nint address = (nint)Unsafe.AsPointer(ref buffer[0]);
        int skip = (int)((LineBytes - (address % LineBytes)) % LineBytes / sizeof(float));
        _buffer = buffer;
        Floats = buffer.AsSpan(skip, count);
    }

    /// <summary>The floats.</summary>
    public Span<float> Floats { get; }

    /// <summary>Leaves the buffer to the thread's next call.</summary>
    public void Dispose()
    {
        if (_buffer is null)
            return;
        t_third = t_spare;
        t_spare = t_kept;
        t_kept = _buffer;
        _buffer = null;
    }
}
