using Kvant.Caching;
using Kvant.Conversations.Chunks;

namespace Kvant.Conversations;

/// <summary>
/// A sequence in a cache that is stored as it grows: each chunk once, in the background, as soon as its blocks are closed in every layer. What is younger, the
/// window and rows that wait for a block, is not stored; at most <see cref="PrefixOptions.ChunkTokens"/> less one and the window are read again.
/// </summary>
/// <remarks>One thread at a time, the one that writes to the cache.</remarks>
public sealed class StoredSequence : IDisposable
{
    private readonly ChunkPlan _plan;
    private readonly ChunkQueue _queue;
    private readonly bool _ownsCache;
    private readonly Dictionary<int, byte[]?[]> _kept = []; // by the number of the chunk that ends there
    private int[] _tokens; // of chunks that are stored or wait
    private ChunkKey[] _keys;
    private int _seen; // chunks that the last call found closed
    private long _mark; // of the cache then: another one where tokens were cut since, whose chunks may be as many and yet others
    private int _lost = int.MaxValue; // the first chunk that waited and could not be stored

    /// <summary>A sequence that is restored, whose cache is its own.</summary>
    internal StoredSequence(ChunkPlan plan, ChunkQueue queue, KvCache cache, int[] tokens, ChunkMiss? miss, IReadOnlyDictionary<string, byte[]> sections)
    {
        (_plan, _queue, Cache, _tokens, Miss, Sections, _ownsCache) = (plan, queue, cache, tokens, miss, sections, true);
        _keys = plan.KeysOf(tokens);
        (_seen, _mark) = (_keys.Length, Mark);
        RestoredTokens = tokens.Length;
    }

    /// <summary>A sequence of which nothing is stored, in a cache of somebody's.</summary>
    internal StoredSequence(ChunkPlan plan, ChunkQueue queue, KvCache cache)
        : this(plan, queue, cache, [], null, new Dictionary<string, byte[]>()) => _ownsCache = false;

    /// <summary>The cache. Append to it, cut it, attend over it as to any other.</summary>
    public KvCache Cache { get; }

    /// <summary>Tokens that were restored; 0 for a cache that was there already.</summary>
    public int RestoredTokens { get; }

    /// <summary>Of <see cref="RestoredTokens"/> those that are in fewer bits than when they were stored: a store coded their chunks again to save room.</summary>
    public int RecodedTokens { get; internal init; }

    /// <summary>Why not more were restored; null if all whole chunks of the tokens were.</summary>
    public ChunkMiss? Miss { get; }

    /// <summary>What was kept beside keys and values at the end of the restored tokens (<see cref="PrefixOptions.Sections"/>), by name.</summary>
    public IReadOnlyDictionary<string, byte[]> Sections { get; }

    /// <summary>The number of tokens at which the next chunk ends that is not in the cache as a whole.</summary>
    public int NextBorder => _plan.Border(_plan.Count(Cache.Length) + 1);

    private long Mark => Cache.Layers[_plan.OwnLayers[0]].TokenMark;

    /// <summary>Keeps a section of the chunk that ends where the cache does now.</summary>
    /// <param name="name">One of <see cref="PrefixOptions.Sections"/>.</param>
    /// <param name="bytes">What a model needs in order to go on from here; copied.</param>
    /// <exception cref="ArgumentException">There is no such section, it is longer than <see cref="PrefixOptions.LargestSection"/>, or the cache ends at no border of a chunk.</exception>
    public void Keep(string name, ReadOnlySpan<byte> bytes)
    {
        int index = _plan.Options.Sections.ToList().IndexOf(name), length = Cache.Length, chunk = _plan.Count(length) - 1;
        if (index < 0)
            throw new ArgumentException($"There is no section '{name}'; there are {string.Join(", ", _plan.Options.Sections)}.", nameof(name));
        if (bytes.Length > _plan.Options.LargestSection)
            throw new ArgumentException($"The section has {bytes.Length} bytes; at most {_plan.Options.LargestSection} are possible.", nameof(bytes));
        if (chunk < 0 || _plan.Border(chunk + 1) != length)
            throw new ArgumentException($"The cache has {length} tokens, where no chunk ends; the next does at {NextBorder}.", nameof(name));
        if (!_kept.TryGetValue(chunk, out byte[]?[]? sections))
            _kept.Add(chunk, sections = new byte[]?[_plan.Options.Sections.Count]);
        sections[index] = bytes.ToArray();
    }

    /// <summary>Has all chunks stored that are closed by now and were not before. Call it after each append, or now and then: it costs little where there is nothing to do, and never waits for the store.</summary>
    /// <param name="tokens">All tokens of the sequence from its beginning, at least those that the cache holds.</param>
    /// <returns>What was done.</returns>
    /// <exception cref="ArgumentException">There are fewer tokens than the cache holds, or a negative one.</exception>
    public StoreOutcome Store(ReadOnlySpan<int> tokens)
    {
        int closed = ChunkBytes.Closed(_plan, Cache);
        long mark = Mark;
        if (closed == _seen && mark == _mark)
            return StoreOutcome.NothingNew;
        if (closed < 0)
            return StoreOutcome.Evicted;
        if (tokens.Length < Cache.Length)
            throw new ArgumentException($"There are {tokens.Length} tokens; the cache holds {Cache.Length}.", nameof(tokens));
        PrefixStore.RequireTokens(tokens);
        (_seen, _mark) = (closed, mark);

        // After a cut the sequence may go on otherwise, from some chunk on.
        int same = Math.Min(Math.Min(_keys.Length, closed), _plan.Count(_tokens.AsSpan().CommonPrefixLength(tokens)));
        same = Math.Min(same, Interlocked.Exchange(ref _lost, int.MaxValue));
        if (same == closed)
            return StoreOutcome.NothingNew;
        if (!ChunkBytes.CanWrite(_plan, Cache))
            return StoreOutcome.Recoded;
        var sections = new byte[closed - same][][];
        for (int chunk = same; chunk < closed; chunk++)
        {
            byte[]?[] kept = _kept.GetValueOrDefault(chunk) ?? new byte[]?[_plan.Options.Sections.Count];
            if (Array.Exists(kept, section => section is null))
                return StoreOutcome.SectionMissing;
            sections[chunk - same] = kept!;
        }

        ChunkKey[] keys = [.. _keys.AsSpan(0, same), .. new ChunkKey[closed - same]];
        for (int chunk = same; chunk < closed; chunk++)
            keys[chunk] = _plan.KeyOf(chunk == 0 ? default : keys[chunk - 1], _plan.Tokens(tokens, chunk));
        if (!_queue.TryAdd(this, same, keys, tokens[.._plan.Border(closed)].ToArray(), sections))
            return StoreOutcome.QueueFull;
        (_keys, _tokens) = (keys, tokens[.._plan.Border(closed)].ToArray());
        for (int chunk = same; chunk < closed; chunk++)
            _kept.Remove(chunk);
        return StoreOutcome.Queued;
    }

    /// <summary>Hears that a chunk which waited could not be stored: it and those behind it are tried again with the next one.</summary>
    internal void Lose(int chunk)
    {
        int before;
        while (chunk < (before = Volatile.Read(ref _lost)) && Interlocked.CompareExchange(ref _lost, chunk, before) != before)
        {
            // Somebody else heard of another one meanwhile.
        }
    }

    /// <summary>Disposes the cache, unless it was there before (<see cref="PrefixStore.Follow"/>). What waits to be stored still is.</summary>
    public void Dispose()
    {
        if (_ownsCache)
            Cache.Dispose();
    }
}
