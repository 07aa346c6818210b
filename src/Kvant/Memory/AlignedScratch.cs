using System.Runtime.CompilerServices;

namespace Kvant.Memory;

/// <summary>
/// A buffer of floats that begins at a cache line, for as long as a call takes. Vectors that straddle two lines take twice the
/// time, and arrays of the runtime begin anywhere. Each thread keeps a buffer for each call inside a call, however deep: a codec in a codec in a codec, and
/// the search of the innermost. What is taken last goes back first.
/// </summary>
internal unsafe ref struct AlignedScratch
{
    private const int LineBytes = 64;

    [ThreadStatic]
    private static float[]?[]? t_kept; // by how many are taken

    [ThreadStatic]
    private static int t_taken;

    private bool _taken;

    /// <summary>Takes a buffer; what it holds is left over from others.</summary>
    /// <param name="count">Floats that are needed.</param>
    public AlignedScratch(int count)
    {
        float[]?[] kept = t_kept ??= new float[]?[4];
        if (t_taken == kept.Length)
            Array.Resize(ref kept, 2 * kept.Length);
        float[]? buffer = kept[t_taken];
        if (buffer is null || buffer.Length < count + (LineBytes / sizeof(float)))
        {
            // Pinned for good, so that the line where it begins stays the same.
            buffer = GC.AllocateUninitializedArray<float>(count + (LineBytes / sizeof(float)), pinned: true);
        }

        kept[t_taken++] = buffer;
        (t_kept, _taken) = (kept, true);
        nint address = (nint)Unsafe.AsPointer(ref buffer[0]);
        int skip = (int)((LineBytes - (address % LineBytes)) % LineBytes / sizeof(float));
        Floats = buffer.AsSpan(skip, count);
    }

    /// <summary>The floats.</summary>
    public Span<float> Floats { get; }

    /// <summary>Leaves the buffer to the thread's next call.</summary>
    public void Dispose()
    {
        if (_taken)
            t_taken--;
        _taken = false;
    }
}
