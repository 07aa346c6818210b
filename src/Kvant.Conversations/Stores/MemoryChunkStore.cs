using Kvant.Conversations.Chunks;

namespace Kvant.Conversations.Stores;

/// <summary>
/// Chunks in the memory of this process, up to a number of bytes. What was used longest ago goes first, but never a chunk whose successor is there: leaves before what they stand on.
/// </summary>
public sealed class MemoryChunkStore : IChunkStore
{
    // What a chunk takes beside its value: key, parent, links, the table's share.
    private const int EntryBytes = 256;

    private readonly Lock _lock = new();
    private readonly Dictionary<ChunkKey, Entry> _entries = [];
    private readonly LinkedList<Entry> _leaves = []; // those without a successor, the next to go first
    private readonly Dictionary<ChunkKey, int> _successors = []; // of a key that need not be there
    private long _used;
    private long _uses;

    /// <summary>An empty store.</summary>
    /// <param name="memoryLimit">The most bytes that values and what they hang on may take, at least 0.</param>
    public MemoryChunkStore(long memoryLimit)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(memoryLimit);
        MemoryLimit = memoryLimit;
    }

    /// <summary>The most bytes that it takes.</summary>
    public long MemoryLimit { get; }

    /// <summary>Bytes that it takes: those of the values and 256 for each.</summary>
    public long UsedBytes
    {
        get { lock (_lock) return _used; }
    }

    /// <summary>How many chunks there are.</summary>
    public int Count
    {
        get { lock (_lock) return _entries.Count; }
    }

    /// <inheritdoc/>
    public int LargestValue => (int)Math.Clamp(MemoryLimit - EntryBytes, 0, Array.MaxLength);

    /// <inheritdoc/>
    public Task<bool[]> ContainsAsync(IReadOnlyList<ChunkKey> keys, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(keys);
        cancellation.ThrowIfCancellationRequested();
        lock (_lock)
            return Task.FromResult<bool[]>([.. keys.Select(_entries.ContainsKey)]);
    }

    /// <inheritdoc/>
    public Task<ChunkAnswer[]> GetAsync(IReadOnlyList<ChunkKey> keys, IReadOnlyList<Memory<byte>> destinations, CancellationToken cancellation = default)
    {
        SameCount.Require(keys, destinations, nameof(destinations));
        cancellation.ThrowIfCancellationRequested();
        var answers = new ChunkAnswer[keys.Count];
        for (int i = 0; i < answers.Length; i++)
        {
            byte[]? value;
            lock (_lock)
                value = _entries.TryGetValue(keys[i], out Entry? entry) ? Use(entry).Value : null;
            // Values are never written to, so they are copied without the lock.
            if (value?.Length <= destinations[i].Length)
                value.CopyTo(destinations[i]);
            answers[i] = value is null ? ChunkMiss.Absent : value.Length > destinations[i].Length ? ChunkMiss.TooLong : ChunkAnswer.Hit(value.Length);
        }

        return Task.FromResult(answers);
    }

    /// <inheritdoc/>
    public Task<PutOutcome[]> PutAsync(IReadOnlyList<ChunkKey> keys, IReadOnlyList<ReadOnlyMemory<byte>> values, CancellationToken cancellation = default)
    {
        SameCount.Require(keys, values, nameof(values));
        cancellation.ThrowIfCancellationRequested();
        return Task.FromResult<PutOutcome[]>([.. keys.Select((key, i) => Put(key, values[i].Span))]);
    }

    /// <inheritdoc/>
    public Task RemoveAsync(IReadOnlyList<ChunkKey> keys, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(keys);
        cancellation.ThrowIfCancellationRequested();
        lock (_lock)
        {
            foreach (ChunkKey key in keys)
            {
                if (_entries.TryGetValue(key, out Entry? entry))
                    Remove(entry);
            }
        }

        return Task.CompletedTask;
    }

    private PutOutcome Put(ChunkKey key, ReadOnlySpan<byte> value)
    {
        if (value.Length > LargestValue)
            return PutOutcome.TooLong;
        Entry entry = new(key, ChunkHeader.ParentOf(value), value.ToArray());
        lock (_lock)
        {
            if (_entries.TryGetValue(key, out Entry? old))
                Remove(old);
            while (_used + entry.Bytes > MemoryLimit)
            {
                Remove(_leaves.First!.Value);
                ConversationMetrics.Evicted("memory");
            }

            _used += entry.Bytes;
            _entries.Add(key, entry);
            _successors[entry.Parent] = _successors.GetValueOrDefault(entry.Parent) + 1;
            if (_entries.TryGetValue(entry.Parent, out Entry? parent) && parent.Place is { } place)
            {
                _leaves.Remove(place);
                parent.Place = null;
            }

            if (!_successors.ContainsKey(key))
                entry.Place = _leaves.AddLast(entry);
            Use(entry);
            return PutOutcome.Stored;
        }
    }

    private Entry Use(Entry entry)
    {
        entry.LastUse = _uses++;
        if (entry.Place is { } place)
        {
            _leaves.Remove(place);
            _leaves.AddLast(place);
        }

        return entry;
    }

    private void Remove(Entry entry)
    {
        _used -= entry.Bytes;
        _entries.Remove(entry.Key);
        if (entry.Place is { } place)
            _leaves.Remove(place);
        if (--_successors[(entry.Parent)] > 0)
            return;
        _successors.Remove(entry.Parent);
        if (!_entries.TryGetValue(entry.Parent, out Entry? parent))
            return;

        // A leaf now, as old as its last use.
        LinkedListNode<Entry>? before = _leaves.First;
        while (before is not null && before.Value.LastUse < parent.LastUse)
            before = before.Next;
        parent.Place = before is null ? _leaves.AddLast(parent) : _leaves.AddBefore(before, parent);
    }

    private sealed class Entry(ChunkKey key, ChunkKey parent, byte[] value)
    {
        public ChunkKey Key => key;

        public ChunkKey Parent => parent;

        public byte[] Value => value;

        public long Bytes => value.Length + EntryBytes;

        public long LastUse { get; set; }

        public LinkedListNode<Entry>? Place { get; set; }
    }
}
