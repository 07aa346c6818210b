using Kvant.Conversations.Stores;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Options;

namespace Kvant.Conversations.Tests.Stores;

public sealed class DistributedCacheChunkStoreTests : StoreContract
{
    protected override Task<IChunkStore> CreateAsync() => Task.FromResult<IChunkStore>(new DistributedCacheChunkStore(new MemoryDistributedCache(Options.Create(new MemoryDistributedCacheOptions()))));

    [Fact]
    public async Task CacheThatThrowsIsAMiss()
    {
        var store = new DistributedCacheChunkStore(new Broken());
        Assert.Equal((bool[])[false], await store.ContainsAsync(Keys(1, 1)));
        Assert.Null(await GetAsync(store, Keys(1, 1)[0]));
        Assert.Equal((PutOutcome[])[PutOutcome.Failed], await store.PutAsync(Keys(1, 1), Memories(Value(1, 1))));
        await store.RemoveAsync(Keys(1, 1));
        Assert.Equal((PutOutcome[])[PutOutcome.TooLong], await new DistributedCacheChunkStore(new Broken(), largestValue: 5).PutAsync(Keys(1, 1), Memories(Value(6, 1))));
    }

    private sealed class Broken : IDistributedCache
    {
        public byte[]? Get(string key) => throw new NotSupportedException();

        public Task<byte[]?> GetAsync(string key, CancellationToken token = default) => throw new NotSupportedException();

        public void Refresh(string key) => throw new NotSupportedException();

        public Task RefreshAsync(string key, CancellationToken token = default) => throw new NotSupportedException();

        public void Remove(string key) => throw new NotSupportedException();

        public Task RemoveAsync(string key, CancellationToken token = default) => throw new NotSupportedException();

        public void Set(string key, byte[] value, DistributedCacheEntryOptions options) => throw new NotSupportedException();

        public Task SetAsync(string key, byte[] value, DistributedCacheEntryOptions options, CancellationToken token = default) => throw new NotSupportedException();
    }
}
