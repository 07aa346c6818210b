using System.Collections.Concurrent;
using Kvant.Caching;
using Kvant.Conversations;
using Kvant.Conversations.Stores;

namespace Kvant.Chat.Scheduling;

/// <summary>What is stored, apart for each tenant: the name is the salt of all keys.</summary>
/// <param name="store">Where chunks live; null for nowhere.</param>
/// <param name="cache">How sequences are stored in memory.</param>
internal sealed class TenantStores(IChunkStore? store, KvCacheOptions cache) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, PrefixStore> _stores = new();

    /// <summary>A tenant's; null where nothing is stored.</summary>
    public PrefixStore? Of(string tenant) => store is null ? null : _stores.GetOrAdd(tenant, name => new PrefixStore(store, new PrefixOptions { Cache = cache, Tenant = name }));

    /// <summary>Waits until what was said is stored.</summary>
    public Task FlushAsync(CancellationToken cancellation) => Task.WhenAll(_stores.Values.Select(s => s.FlushAsync(cancellation)));

    public async ValueTask DisposeAsync()
    {
        foreach (PrefixStore prefixes in _stores.Values)
            await prefixes.DisposeAsync().ConfigureAwait(false);
    }
}
