namespace Kvant.Memory;

/// <summary>Native memory in pages of any length. It grows by segments that get larger with it, which take room as their pages do.</summary>
/// <remarks>One thread at a time.</remarks>
internal sealed class NativeArena
{
    private const long SmallestSegment = 1 << 20;
    private const long LargestSegment = 64 << 20;

    private readonly List<NativeSegment> _segments = [];

    /// <summary>A page. What it holds at first is left over from others.</summary>
    /// <param name="bytes">Its length, at least 1.</param>
    /// <exception cref="InsufficientMemoryException">The system has no memory.</exception>
    public NativePage Take(long bytes)
    {
        long lines = (bytes + NativePage.Alignment - 1) / NativePage.Alignment * NativePage.Alignment, total = 0;
        for (int i = _segments.Count - 1; i >= 0; i--)
        {
            if (_segments[i].IsClosed)
            {
                _segments.RemoveAt(i); // its last page went
                continue;
            }

            if (_segments[i].TryTake(lines) is >= 0 and long at)
                return new NativePage(_segments[i], at, lines, bytes);
            total += _segments[i].Bytes;
        }

        long size = Math.Max(lines, Math.Clamp(total, SmallestSegment, LargestSegment));
        var segment = new NativeSegment((size + SystemMemory.PageBytes - 1) / SystemMemory.PageBytes * SystemMemory.PageBytes);
        _segments.Add(segment);
        return new NativePage(segment, segment.TryTake(lines), lines, bytes);
    }
}
