using Kvant.Conversations.Chunks;
using Microsoft.Extensions.Caching.Distributed;

namespace Kvant.Conversations.Stores;

/// <summary>
/// Chunks in any <see cref="IDistributedCache"/>: SQL Server, Postgres, Cosmos, NCache and others. The interface knows single keys and arrays only, so each chunk is
/// a call and a copy; there is no question whether a key is there but to get its value.
/// </summary>
/// <param name="cache">Where values go; stays the caller's.</param>
/// <param name="prefix">What keys begin with, before a colon.</param>
/// <param name="timeToLive">After so long without use a chunk is gone; null for what the cache does by itself.</param>
/// <param name="largestValue">The longest value that the cache takes, in bytes, at least 0.</param>
public sealed class DistributedCacheChunkStore(IDistributedCache cache, string prefix = "kvant", TimeSpan? timeToLive = null, int largestValue = 64 << 20) : IChunkStore
{
    private readonly IDistributedCache _cache = cache ?? throw new ArgumentNullException(nameof(cache));
    private readonly DistributedCacheEntryOptions _entry = new() { SlidingExpiration = timeToLive };

    /// <inheritdoc/>
    public int LargestValue { get; } = largestValue >= 0 ? largestValue : throw new ArgumentOutOfRangeException(nameof(largestValue), largestValue, "A value has no negative length.");

    /// <inheritdoc/>
    public Task<bool[]> ContainsAsync(IReadOnlyList<ChunkKey> keys, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(keys);
        return EachAsync(keys, async (_, key) => await _cache.GetAsync(key, cancellation).ConfigureAwait(false) is not null, false, cancellation);
    }

    /// <inheritdoc/>
    public Task<ChunkAnswer[]> GetAsync(IReadOnlyList<ChunkKey> keys, IReadOnlyList<Memory<byte>> destinations, CancellationToken cancellation = default)
    {
        SameCount.Require(keys, destinations, nameof(destinations));
        return EachAsync<ChunkAnswer>(
            keys,
            async (i, key) =>
            {
                byte[]? value = await _cache.GetAsync(key, cancellation).ConfigureAwait(false);
                cancellation.ThrowIfCancellationRequested(); // the memory may be somebody else's by then
                if (value is null)
                    return ChunkMiss.Absent;
                if (value.Length > destinations[i].Length)
                    return ChunkMiss.TooLong;
                value.CopyTo(destinations[i]);
                return ChunkAnswer.Hit(value.Length);
            },
            ChunkMiss.Unreachable,
            cancellation);
    }

    /// <inheritdoc/>
    public Task<PutOutcome[]> PutAsync(IReadOnlyList<ChunkKey> keys, IReadOnlyList<ReadOnlyMemory<byte>> values, CancellationToken cancellation = default)
    {
        SameCount.Require(keys, values, nameof(values));
        return EachAsync(
            keys,
            async (i, key) =>
            {
                if (values[i].Length > LargestValue)
                    return PutOutcome.TooLong;
                await _cache.SetAsync(key, values[i].ToArray(), _entry, cancellation).ConfigureAwait(false);
                return PutOutcome.Stored;
            },
            PutOutcome.Failed,
            cancellation);
    }

    /// <inheritdoc/>
    public Task RemoveAsync(IReadOnlyList<ChunkKey> keys, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(keys);
        return EachAsync(
            keys,
            async (_, key) =>
            {
                await _cache.RemoveAsync(key, cancellation).ConfigureAwait(false);
                return true;
            },
            false,
            cancellation);
    }

    private Task<T[]> EachAsync<T>(IReadOnlyList<ChunkKey> keys, Func<int, string, Task<T>> call, T failed, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        return Task.WhenAll(keys.Select(OneAsync));

        async Task<T> OneAsync(ChunkKey key, int index)
        {
            try
            {
                return await call(index, $"{prefix}:{key}").ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
            {
                throw;
            }
#pragma warning disable CA1031 // what a cache of strangers throws is theirs to choose
            catch (Exception)
#pragma warning restore CA1031
            {
                return failed;
            }
        }
    }
}
