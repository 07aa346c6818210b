using Kvant.Conversations.Chunks;

namespace Kvant.Conversations.Stores;

/// <summary>Keeps a folder below a number of bytes: leaves that were used longest ago go first, a tenth of the limit at once, so that the folder is seldom walked.</summary>
/// <param name="folder">The files.</param>
/// <param name="limit">The most bytes.</param>
internal sealed class DiskEviction(DiskFolder folder, long limit)
{
    private readonly Lock _lock = new();
    private long _bytes = -1; // as far as this process knows; nothing is known yet

    /// <summary>Makes room for a file.</summary>
    /// <returns>Whether there is some.</returns>
    public bool MakeRoom(long bytes)
    {
        if (limit == long.MaxValue)
            return true;
        lock (_lock)
        {
            try
            {
                if (_bytes < 0 || _bytes + bytes > limit)
                    Walk(Math.Min(limit - bytes, limit - (limit / 10)));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return false;
            }

            if (_bytes + bytes > limit)
                return false;
            _bytes += bytes; // one that replaces another is counted twice until the next walk
            return true;
        }
    }

    /// <summary>Removes what is above the limit.</summary>
    /// <returns>How many chunks.</returns>
    public int Trim()
    {
        lock (_lock)
            return limit == long.MaxValue ? 0 : Walk(limit);
    }

    // Counts, and removes down to a number where there is more than the limit leaves.
    private int Walk(long wanted)
    {
        Dictionary<ChunkKey, Entry> entries = [];
        Span<byte> start = stackalloc byte[128];
        _bytes = 0;
        foreach ((ChunkKey key, FileInfo file) in folder.Chunks())
        {
            if (!file.Exists)
                continue;
            int read = DiskFolder.ReadStart(file.FullName, start);
            entries[key] = new(file.FullName, file.Length, ChunkHeader.ParentOf(start[..read])) { LastUse = file.LastWriteTimeUtc };
            _bytes += file.Length;
        }

        if (_bytes <= wanted)
            return 0;
        foreach (Entry entry in entries.Values)
        {
            if (entries.TryGetValue(entry.Parent, out Entry? parent))
                parent.Successors++;
        }

        int removed = 0;
        PriorityQueue<Entry, DateTime> leaves = new(entries.Values.Where(e => e.Successors == 0).Select(e => (e, e.LastUse)));
        while (_bytes > wanted && leaves.TryDequeue(out Entry? leaf, out _))
        {
            if (!DiskFolder.Remove(leaf.Path))
                continue;
            _bytes -= leaf.Bytes;
            removed++;
            if (entries.TryGetValue(leaf.Parent, out Entry? parent) && --parent.Successors == 0)
                leaves.Enqueue(parent, parent.LastUse);
        }

        ConversationMetrics.Evicted("disk", removed);
        return removed;
    }

    private sealed record Entry(string Path, long Bytes, ChunkKey Parent)
    {
        public required DateTime LastUse { get; init; }

        public int Successors { get; set; }
    }
}
