using System.Diagnostics;
using Kvant.Conversations.Chunks;

namespace Kvant.Conversations.Stores;

/// <summary>
/// Keeps a folder below a number of bytes. Of the half that was used longest ago chunks are coded again to fewer bits first, if the store has others for them, as many as a put needs. Then leaves that were used
/// longest ago are removed, a tenth of the limit at once, so that the folder is seldom walked.
/// </summary>
/// <param name="folder">The files.</param>
/// <param name="limit">The most bytes.</param>
/// <param name="recoding">Codes again; null for nothing of the kind.</param>
/// <param name="patience">How long a put waits for that: what is not done by then is removed instead.</param>
internal sealed class DiskEviction(DiskFolder folder, long limit, DiskRecoding? recoding, TimeSpan patience)
{
    // As much of a file as has its recipe, as a rule.
    private const int StartBytes = 8192;

    private readonly Lock _lock = new();
    private readonly Queue<Entry> _waiting = []; // to be coded again, what was used longest ago first
    private readonly HashSet<ChunkKey> _refused = []; // what cannot be
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
                long start = Stopwatch.GetTimestamp();
                if (_bytes + bytes > limit)
                    Recode(limit - bytes, patience);
                if (_bytes < 0 || _bytes + bytes > limit)
                    Walk(limit - bytes, limit - (limit / 10), patience - Stopwatch.GetElapsedTime(start));
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

    /// <summary>Codes again, and removes, what is above the limit.</summary>
    /// <returns>How many chunks were removed.</returns>
    public int Trim()
    {
        lock (_lock)
            return limit == long.MaxValue ? 0 : Walk(limit, limit, TimeSpan.MaxValue);
    }

    // Counts, and makes the folder as small as is wanted where it is larger; where nothing is left to be coded again, so small that it need not be walked again soon.
    private int Walk(long wanted, long seldom, TimeSpan time)
    {
        Dictionary<ChunkKey, Entry> entries = [];
        Span<byte> start = stackalloc byte[recoding is null ? 128 : StartBytes];
        _bytes = 0;
        foreach ((ChunkKey key, FileInfo file) in folder.Chunks())
        {
            if (!file.Exists)
                continue;
            ReadOnlySpan<byte> read = start[..DiskFolder.ReadStart(file.FullName, start)];
            entries[key] = new(key, file.FullName, file.Length, ChunkHeader.ParentOf(read)) { LastUse = file.LastWriteTimeUtc, MayShrink = recoding?.IsDone(read) == false && !_refused.Contains(key) };
            _bytes += file.Length;
        }

        if (_bytes <= wanted)
            return 0;
        Wait(entries);
        Recode(wanted, time);
        return Remove(entries, _waiting.Count > 0 ? wanted : Math.Min(wanted, seldom));
    }

    // What was used lately stays as it is.
    private void Wait(Dictionary<ChunkKey, Entry> entries)
    {
        _refused.IntersectWith(entries.Keys);
        _waiting.Clear();
        long before = 0;
        foreach (Entry entry in entries.Values.OrderBy(entry => entry.LastUse))
        {
            if (recoding is null || before > _bytes / 2)
                break;
            before += entry.Bytes;
            if (entry.MayShrink)
                _waiting.Enqueue(entry);
        }
    }

    private void Recode(long wanted, TimeSpan time)
    {
        long start = Stopwatch.GetTimestamp();
        while (_bytes > wanted && Stopwatch.GetElapsedTime(start) < time && _waiting.TryDequeue(out Entry? entry))
        {
            entry.MayShrink = false;
            // What was used since is not the oldest any more.
            if (File.GetLastWriteTimeUtc(entry.Path) != entry.LastUse)
                continue;
            long saved = recoding!.Run(entry.Key).Saved;
            entry.Bytes -= saved;
            _bytes -= saved;
            if (saved == 0)
                _refused.Add(entry.Key);
        }
    }

    private int Remove(Dictionary<ChunkKey, Entry> entries, long wanted)
    {
        foreach (Entry entry in entries.Values)
        {
            if (entries.TryGetValue(entry.Parent, out Entry? parent))
                parent.Successors++;
        }

        // Rather what is in fewer bits already than what waits for it.
        int removed = 0;
        PriorityQueue<Entry, (bool, DateTime)> leaves = new(entries.Values.Where(e => e.Successors == 0).Select(e => (e, (e.MayShrink, e.LastUse))));
        while (_bytes > wanted && leaves.TryDequeue(out Entry? leaf, out _))
        {
            if (!DiskFolder.Remove(leaf.Path))
                continue;
            _bytes -= leaf.Bytes;
            removed++;
            if (entries.TryGetValue(leaf.Parent, out Entry? parent) && --parent.Successors == 0)
                leaves.Enqueue(parent, (parent.MayShrink, parent.LastUse));
        }

        ConversationMetrics.Evicted("disk", removed);
        return removed;
    }

    private sealed record Entry(ChunkKey Key, string Path, long Length, ChunkKey Parent)
    {
        public long Bytes { get; set; } = Length;

        public required DateTime LastUse { get; init; }

        public bool MayShrink { get; set; }

        public int Successors { get; set; }
    }
}
