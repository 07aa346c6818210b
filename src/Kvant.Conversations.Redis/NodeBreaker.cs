using System.Collections.Concurrent;
using System.Net;
using StackExchange.Redis;

namespace Kvant.Conversations.Redis;

/// <summary>
/// Remembers which nodes failed: each call to a dead one would cost its whole time limit. A node is left alone for a moment; then the calls that come try it
/// again, and the topology is asked for once in a while, so that the replica that took over is found.
/// </summary>
/// <param name="redis">The connection.</param>
/// <param name="pause">How long a node is left alone.</param>
internal sealed class NodeBreaker(IConnectionMultiplexer redis, TimeSpan pause)
{
    private readonly ConcurrentDictionary<EndPoint, long> _until = new();
    private readonly EndPoint _nobody = new DnsEndPoint("nobody", 0); // where no node has the key
    private long _configured;

    /// <summary>Whether the node of a key may be asked.</summary>
    public bool MayAsk(EndPoint? node) => !_until.TryGetValue(node ?? _nobody, out long until) || Environment.TickCount64 >= until;

    /// <summary>A node answered.</summary>
    public void Answered(EndPoint? node) => _until.TryRemove(node ?? _nobody, out _);

    /// <summary>A node failed.</summary>
    public void Failed(EndPoint? node)
    {
        long now = Environment.TickCount64, last = Volatile.Read(ref _configured);
        _until[node ?? _nobody] = now + (long)pause.TotalMilliseconds;
        if (now - last >= 500 && Interlocked.CompareExchange(ref _configured, now, last) == last)
            _ = AskAsync();
    }

    private async Task AskAsync()
    {
        try
        {
            await redis.ConfigureAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (e is RedisException or ObjectDisposedException or TimeoutException or InvalidOperationException)
        {
            // The next failure asks again.
        }
    }
}
