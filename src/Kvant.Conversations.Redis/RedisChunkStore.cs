using System.Net;
using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;
using StackExchange.Redis;

namespace Kvant.Conversations.Redis;

/// <summary>
/// Chunks on Redis, Valkey or Garnet, a single server or a cluster: a chunk is one key on one node, <c>kvant:{KEY}</c>, many are asked for at once, each of
/// its node. What fails or is late is an answer, and its node is left alone for a moment.
/// </summary>
public sealed class RedisChunkStore : IChunkStore, IAsyncDisposable
{
    private readonly IConnectionMultiplexer _redis;
    private readonly bool _ownsRedis;
    private readonly RedisChunkOptions _options;
    private readonly NodeBreaker _breaker;

    /// <summary>A store on a connection.</summary>
    /// <param name="redis">Stays the caller's; best with <c>AbortOnConnectFail = false</c> and <c>BacklogPolicy.FailFast</c>.</param>
    /// <param name="options">Prefix, time to live, limits; null for those that <see cref="RedisChunkOptions"/> has.</param>
    public RedisChunkStore(IConnectionMultiplexer redis, RedisChunkOptions? options = null)
        : this(redis, options, ownsRedis: false)
    {
    }

    private RedisChunkStore(IConnectionMultiplexer redis, RedisChunkOptions? options, bool ownsRedis)
    {
        ArgumentNullException.ThrowIfNull(redis);
        (_redis, _options, _ownsRedis) = (redis, options ?? new RedisChunkOptions(), ownsRedis);
        _breaker = new NodeBreaker(redis, _options.Pause);
    }

    /// <inheritdoc/>
    public int LargestValue => _options.LargestValue;

    private IDatabase Database => _redis.GetDatabase();

    /// <summary>Connects with what suits a store: no waiting at the start, no queue for nodes that are gone. Where nobody answers, every chunk is a miss until somebody does.</summary>
    /// <param name="configuration">Of StackExchange.Redis: <c>host:port,host:port,password=...</c></param>
    /// <param name="options">As for the constructor.</param>
    /// <exception cref="ArgumentException">The configuration is not valid.</exception>
    public static Task<RedisChunkStore> ConnectAsync(string configuration, RedisChunkOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(configuration);
        return ConnectAsync(ConfigurationOptions.Parse(configuration), options);
    }

    // By settings, whose password may have any sign.
    internal static async Task<RedisChunkStore> ConnectAsync(ConfigurationOptions configuration, RedisChunkOptions? options = null)
    {
        ConfigurationOptions found = configuration.Clone();
        found.AbortOnConnectFail = false;
        found.BacklogPolicy = BacklogPolicy.FailFast;
        return new RedisChunkStore(await ConnectionMultiplexer.ConnectAsync(found).ConfigureAwait(false), options, ownsRedis: true);
    }

    /// <inheritdoc/>
    public Task<bool[]> ContainsAsync(IReadOnlyList<ChunkKey> keys, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(keys);
        return EachAsync(keys, (_, key) => Database.KeyExistsAsync(key), static _ => false, cancellation);
    }

    /// <inheritdoc/>
    public Task<ChunkAnswer[]> GetAsync(IReadOnlyList<ChunkKey> keys, IReadOnlyList<Memory<byte>> destinations, CancellationToken cancellation = default)
    {
        SameCount.Require(keys, destinations, nameof(destinations));
        return EachAsync(keys, (i, key) => GetAsync(key, destinations[i], cancellation), static failure => Miss(failure), cancellation);
    }

    /// <inheritdoc/>
    public Task<PutOutcome[]> PutAsync(IReadOnlyList<ChunkKey> keys, IReadOnlyList<ReadOnlyMemory<byte>> values, CancellationToken cancellation = default)
    {
        SameCount.Require(keys, values, nameof(values));
        return EachAsync(
            keys,
            async (i, key) => values[i].Length > LargestValue ? PutOutcome.TooLong
                : await Database.StringSetAsync(key, values[i], _options.TimeToLive is { } time ? new Expiration(time) : default).ConfigureAwait(false) ? PutOutcome.Stored : PutOutcome.Failed,
            static failure => failure switch
            {
                RedisTimeoutException or TimeoutException => PutOutcome.TimedOut,
                RedisServerException full when full.Message.StartsWith("OOM", StringComparison.Ordinal) => PutOutcome.NoRoom,
                _ => PutOutcome.Failed,
            },
            cancellation);
    }

    /// <inheritdoc/>
    public Task RemoveAsync(IReadOnlyList<ChunkKey> keys, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(keys);
        return EachAsync(keys, (_, key) => Database.KeyDeleteAsync(key), static _ => false, cancellation);
    }

    /// <summary>Ends the connection, if <see cref="ConnectAsync(string, RedisChunkOptions?)"/> made it.</summary>
    public ValueTask DisposeAsync() => _ownsRedis ? _redis.DisposeAsync() : ValueTask.CompletedTask;

    private static ChunkMiss Miss(Exception? failure) => failure is RedisTimeoutException or TimeoutException ? ChunkMiss.TimedOut : ChunkMiss.Unreachable;

    // How long it is comes first, so that nobody sends more than there is room for.
    private async Task<ChunkAnswer> GetAsync(RedisKey key, Memory<byte> destination, CancellationToken cancellation)
    {
        if (await Database.StringLengthAsync(key).ConfigureAwait(false) > destination.Length)
            return ChunkMiss.TooLong;
        using Lease<byte>? lease = await Database.StringGetLeaseAsync(key).ConfigureAwait(false);
        if (lease is null)
            return ChunkMiss.Absent;
        // The caller may have gone, and its memory be somebody else's.
        cancellation.ThrowIfCancellationRequested();
        if (lease.Length > destination.Length)
            return ChunkMiss.TooLong;
        lease.Span.CopyTo(destination.Span);
        if (_options.TimeToLive is { } time)
            await Database.KeyExpireAsync(key, time, CommandFlags.FireAndForget).ConfigureAwait(false);
        return ChunkAnswer.Hit(lease.Length);
    }

    // Null where no node has the key's slot, or none is known.
    private EndPoint? NodeOf(RedisKey key)
    {
        try
        {
            return _redis.GetServer(key).EndPoint;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    // All calls are on their way before the first answer is waited for.
    private async Task<T[]> EachAsync<T>(IReadOnlyList<ChunkKey> keys, Func<int, RedisKey, Task<T>> call, Func<Exception?, T> failed, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var answers = new Task<T>[keys.Count];
        for (int i = 0; i < answers.Length; i++)
            answers[i] = OneAsync(i, $"{_options.Prefix}:{{{keys[i]}}}", call, failed);
        return await Task.WhenAll(answers).WaitAsync(cancellation).ConfigureAwait(false);
    }

    private async Task<T> OneAsync<T>(int index, RedisKey key, Func<int, RedisKey, Task<T>> call, Func<Exception?, T> failed)
    {
        EndPoint? node = null;
        try
        {
            node = NodeOf(key);
            if (!_breaker.MayAsk(node))
                return failed(null);
            T answer = await call(index, key).ConfigureAwait(false);
            _breaker.Answered(node);
            return answer;
        }
        catch (Exception e) when (e is RedisException or TimeoutException or ObjectDisposedException)
        {
            // A server that refuses a call is there.
            if (e is not RedisServerException)
                _breaker.Failed(node);
            return failed(e);
        }
    }
}
