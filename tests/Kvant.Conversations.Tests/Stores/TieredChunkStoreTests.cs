using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;

namespace Kvant.Conversations.Tests.Stores;

public sealed class TieredChunkStoreTests : StoreContract
{
    protected override Task<IChunkStore> CreateAsync() => Task.FromResult<IChunkStore>(new TieredChunkStore(new MemoryChunkStore(4000), new MemoryChunkStore(64 << 20)));

    [Fact]
    public async Task HitsOfTheSlowStoreArePromoted()
    {
        MemoryChunkStore fast = new(10_000), slow = new(100_000);
        var tiered = new TieredChunkStore(fast, slow);
        ChunkKey[] keys = Keys(20, 1);
        foreach ((int i, ChunkKey key) in keys.Index())
            await tiered.PutAsync([key], Memories(Value(1000, i)));
        Assert.Equal(20, slow.Count);
        Assert.Equal(7, fast.Count);
        Assert.Equal((bool[])[false], await fast.ContainsAsync(keys[..1]));
        Assert.Equal(Value(1000, 0), await GetAsync(tiered, keys[0]));
        Assert.Equal((bool[])[true], await fast.ContainsAsync(keys[..1]));
        Assert.Equal(Value(1000, 0), await GetAsync(fast, keys[0]));
        // Both forget what is removed.
        await tiered.RemoveAsync(keys[..1]);
        Assert.Null(await GetAsync(fast, keys[0]));
    }

    [Fact]
    public async Task ItHoldsWhatTheSlowStoreHolds()
    {
        MemoryChunkStore fast = new(5000), slow = new(20_000);
        var tiered = new TieredChunkStore(fast, slow);
        ChunkKey[] keys = Keys(30, 2);
        var random = new Random(3);
        for (int round = 0; round < 500; round++)
        {
            int i = random.Next(keys.Length);
            if (random.Next(4) == 0)
                await tiered.RemoveAsync([keys[i]]);
            else if (random.Next(2) == 0)
                await tiered.PutAsync([keys[i]], Memories(Value(random.Next(6000), round)));
            bool[] there = await tiered.ContainsAsync(keys);
            Assert.Equal(await slow.ContainsAsync(keys), there);
            if (await GetAsync(slow, keys[i]) is { } ofSlow)
                Assert.Equal(ofSlow, await GetAsync(tiered, keys[i]));
        }
    }
}
