using System.Runtime.InteropServices;

namespace Kvant.Memory;

/// <summary>
/// A piece of the system's memory that pages lie in, side by side and at cache lines. Nothing lies between them, so they take what they say; what lies between
/// those that were returned goes back to the system, and all of it with the last, or when nobody knows the segment any more.
/// </summary>
/// <remarks>One thread at a time.</remarks>
internal sealed class NativeSegment : SafeHandle
{
    private static long s_liveBytes;

    private readonly SortedList<long, long> _holes = []; // where each begins, how long it is
    private long _taken;

    /// <summary>Takes memory of the system.</summary>
    /// <param name="bytes">A multiple of the system's page.</param>
    public NativeSegment(long bytes)
        : base(0, ownsHandle: true)
    {
        Bytes = bytes;
        _holes.Add(0, bytes);
        SetHandle(SystemMemory.Take((nint)bytes));
    }

    /// <summary>Bytes of all pages of the process that are taken.</summary>
    public static long LiveBytes => Volatile.Read(ref s_liveBytes);

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Its length, taken or not.</summary>
    public long Bytes { get; }

    /// <summary>Where it begins.</summary>
    public nint Start => handle;

    /// <summary>Takes a part of it from the first hole that is large enough.</summary>
    /// <param name="bytes">A multiple of a cache line.</param>
    /// <returns>Where it begins, counted from <see cref="Start"/>; -1 if there is no such hole.</returns>
    public long TryTake(long bytes)
    {
        for (int i = 0; i < _holes.Count; i++)
        {
            long at = _holes.GetKeyAtIndex(i), rest = _holes.GetValueAtIndex(i) - bytes;
            if (rest < 0)
                continue;
            _holes.RemoveAt(i);
            if (rest > 0)
                _holes.Add(at + bytes, rest);
            Count(bytes);
            return at;
        }

        return -1;
    }

    /// <summary>Returns a part.</summary>
    public void GiveBack(long at, long bytes)
    {
        Count(-bytes);
        if (_taken == 0)
        {
            Dispose();
            return;
        }

        // One hole with those that it touches.
        long first = at, end = at + bytes;
        _holes.Add(at, bytes);
        int i = _holes.IndexOfKey(at);
        if (i + 1 < _holes.Count && _holes.GetKeyAtIndex(i + 1) == end)
        {
            end += _holes.GetValueAtIndex(i + 1);
            _holes.RemoveAt(i + 1);
        }

        if (i > 0 && _holes.GetKeyAtIndex(i - 1) + _holes.GetValueAtIndex(i - 1) == at)
        {
            first = _holes.GetKeyAtIndex(i - 1);
            _holes.RemoveAt(i);
        }

        _holes[first] = end - first;

        // The system's pages that lie in the hole now and did not before.
        long size = SystemMemory.PageBytes;
        long from = Math.Max((first + size - 1) / size * size, at / size * size), to = Math.Min(end / size * size, (at + bytes + size - 1) / size * size);
        SystemMemory.Discard(handle + (nint)from, (nint)(to - from));
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        SystemMemory.GiveBack(handle, (nint)Bytes);
        Count(-_taken);
        return true;
    }

    // The collector sees small objects only; it should know what hangs on them.
    private void Count(long bytes)
    {
        _taken += bytes;
        Interlocked.Add(ref s_liveBytes, bytes);
        if (bytes > 0)
            GC.AddMemoryPressure(bytes);
        else if (bytes < 0)
            GC.RemoveMemoryPressure(-bytes);
    }
}
