using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;

namespace Kvant.Conversations.Tests.Stores;

public sealed class MemoryChunkStoreTests : StoreContract
{
    protected override Task<IChunkStore> CreateAsync() => Task.FromResult<IChunkStore>(new MemoryChunkStore(64 << 20));

    [Fact]
    public async Task ItTakesWhatItSaysAndNoMore()
    {
        var store = new MemoryChunkStore(10_000);
        var random = new Random(1);
        Dictionary<ChunkKey, int> lengths = [];
        ChunkKey[] keys = Keys(40, 1);
        for (int round = 0; round < 2000; round++)
        {
            ChunkKey key = keys[random.Next(keys.Length)];
            if (random.Next(4) == 0)
                await store.RemoveAsync([key]);
            else
                await store.PutAsync([key], Memories(Value(random.Next(1500), round)));
            long bytes = 0;
            int count = 0;
            foreach (ChunkKey each in keys)
            {
                byte[]? value = await GetAsync(store, each);
                (bytes, count) = (bytes + (value is null ? 0 : value.Length + 256), count + (value is null ? 0 : 1));
            }

            Assert.Equal((bytes, count), (store.UsedBytes, store.Count));
            Assert.InRange(store.UsedBytes, 0, store.MemoryLimit);
        }

        Assert.Equal((PutOutcome[])[PutOutcome.TooLong], await store.PutAsync(keys[..1], Memories(Value(10_000 - 255, 1))));
        Assert.Equal((PutOutcome[])[PutOutcome.Stored], await store.PutAsync(keys[..1], Memories(Value(10_000 - 256, 1))));
        Assert.Equal(10_000, store.UsedBytes);
        Assert.Equal(1, store.Count);
    }

    [Fact]
    public async Task LeavesThatWereUsedLongestAgoGoFirst()
    {
        // A trunk of two and three branches of two.
        PrefixOptions options = Samples.Prefixes(Samples.Options("q8", layers: 1));
        int[][] sequences = [.. Enumerable.Range(0, 3).Select(i => (int[])[.. Samples.Tokens(4 + 256, 1), .. Samples.Tokens(256 + 30, 10 + i)])];
        var plan = new ChunkPlan(options);
        ChunkKey[][] keys = [.. sequences.Select(s => plan.KeysOf(s))];
        var all = new MemoryChunkStore(1 << 20);
        foreach (int[] sequence in sequences)
            await Samples.StoreAsync(all, options, sequence);
        Assert.Equal(8, all.Count);

        // A chunk less fits.
        var store = new MemoryChunkStore(all.UsedBytes - 1);
        foreach (int[] sequence in sequences[..2])
            await Samples.StoreAsync(store, options, sequence);
        Assert.Equal(4 + (4 * 128), (await Samples.RestoreAsync(store, options, sequences[0])).Tokens);
        await Samples.StoreAsync(store, options, sequences[2]);
        Assert.Equal((bool[])[true, true, true, true], await store.ContainsAsync(keys[0]));
        Assert.Equal((bool[])[true, true, true, false], await store.ContainsAsync(keys[1]));
        Assert.Equal((bool[])[true, true, true, true], await store.ContainsAsync(keys[2]));
        await store.PutAsync(Keys(1, 1), Memories(Value(100, 1)));
        Assert.Equal((bool[])[true, true, true, false], await store.ContainsAsync(keys[1]));
    }
}
