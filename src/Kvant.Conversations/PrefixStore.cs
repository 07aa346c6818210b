using System.Diagnostics;
using Kvant.Caching;
using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;

namespace Kvant.Conversations;

/// <summary>
/// Sequences that last: their compressed keys and values are stored chunk by chunk while they grow, and the longest stored beginning of any tokens is restored
/// instead of being read by the model again. Chunks are found by what they depend on, so sequences that begin alike share them, in this process, later, and elsewhere.
/// </summary>
/// <remarks>Any number of threads may use it. Of the store's failures none reaches the caller: what is not found, damaged or late is a miss, and counted (<see cref="Statistics"/>).</remarks>
public sealed class PrefixStore : IAsyncDisposable
{
    private readonly ChunkPlan _plan;
    private readonly ChunkQueue _queue;
    private readonly PrefixCounts _counts = new();
    private readonly SafeStore _store;

    /// <summary>Sequences of one kind in a store.</summary>
    /// <param name="store">Where chunks live; stays the caller's.</param>
    /// <param name="options">What is stored, and for whom.</param>
    /// <exception cref="ArgumentException">The cache's options do not fit together, a chunk would be longer than an array can be, or a layer's sliding window is so short that
    /// it forgets rows of a chunk before that is closed.</exception>
    public PrefixStore(IChunkStore store, PrefixOptions options)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(options);
        _plan = new ChunkPlan(options);
        _store = new SafeStore(store, options.TimeLimit);
        _queue = new ChunkQueue(_plan, _store, _counts);
    }

    /// <summary>What is stored, and for whom.</summary>
    public PrefixOptions Options => _plan.Options;

    /// <summary>What has been done so far.</summary>
    public PrefixStatistics Statistics => _counts.Snapshot();

    /// <summary>Makes a cache of the longest stored beginning of some tokens: empty where nothing is stored.</summary>
    /// <remarks>It attends exactly as the one that was stored did after a cut to that length (<see cref="KvCache.Truncate"/>); where a store coded chunks again, as it would after <see cref="KvCache.Recode"/> of their tokens. A model that is to go on needs the logits of the last token: leave
    /// that one out here, and let the model read it.</remarks>
    /// <param name="tokens">The sequence.</param>
    /// <param name="cancellation">Ends the call; the store's time limit is <see cref="PrefixOptions.TimeLimit"/>.</param>
    /// <exception cref="ArgumentException">A token is negative.</exception>
    /// <exception cref="OperationCanceledException">The call was cancelled.</exception>
    public async Task<StoredSequence> RestoreAsync(ReadOnlyMemory<int> tokens, CancellationToken cancellation = default)
    {
        RequireTokens(tokens.Span);
        long start = Stopwatch.GetTimestamp();
        using var load = new PrefixLoad(_plan, _store, tokens);
        (KvCache cache, int chunks) = await load.RunAsync(cancellation).ConfigureAwait(false);
        int length = _plan.Border(chunks), recoded = load.RecodedTokens(chunks);
        _counts.Restored(_plan.Border(_plan.Count(tokens.Length)), length, recoded, load.Bytes, load.Miss, Stopwatch.GetElapsedTime(start));
        return new StoredSequence(_plan, _queue, cache, tokens[..length].ToArray(), load.Miss, load.Sections) { RecodedTokens = recoded };
    }

    /// <summary>Stores a sequence that is in a cache already, or a fork of one.</summary>
    /// <param name="cache">Stays the caller's; of the options that this store has.</param>
    /// <exception cref="ArgumentException">The cache stores its sequence otherwise.</exception>
    public StoredSequence Follow(KvCache cache)
    {
        ArgumentNullException.ThrowIfNull(cache);
        KvCacheOptions found = cache.Options, wanted = _plan.Options.Cache;
        // What calls of Recode made is no part of what tokens to come get.
        IEnumerable<LayerSpecs> policy = found.Policy.Select(layer => layer with { Ages = [.. layer.Ages.Where(step => step.Age != AgeStep.Never)] });
        if (found.Geometry != wanted.Geometry || !policy.SequenceEqual(wanted.Policy) || found.Sinks != wanted.Sinks || !Equals(found.WindowCodec, wanted.WindowCodec)
            || found.Identity != wanted.Identity || found.Eviction != wanted.Eviction)
        {
            throw new ArgumentException("The cache has another geometry, policy, window codec, eviction, identity or number of sinks than this store's options.", nameof(cache));
        }

        return new StoredSequence(_plan, _queue, cache);
    }

    /// <summary>Waits until all that was to be stored up to now is, or was refused.</summary>
    /// <param name="cancellation">Ends the waiting.</param>
    /// <exception cref="OperationCanceledException">The call was cancelled.</exception>
    public Task FlushAsync(CancellationToken cancellation = default) => _queue.FlushAsync(cancellation);

    /// <summary>Writes what waits and ends. Twice is fine.</summary>
    public ValueTask DisposeAsync() => _queue.DisposeAsync();

    internal static void RequireTokens(ReadOnlySpan<int> tokens)
    {
        int negative = tokens.IndexOfAnyInRange(int.MinValue, -1);
        if (negative >= 0)
            throw new ArgumentException($"Token {negative} is {tokens[negative]}; none is negative.", nameof(tokens));
    }
}
