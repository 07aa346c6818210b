using Kvant.Caching;
using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;

namespace Kvant.Conversations.Tests.Recoding;

/// <summary>Stores that code chunks again while they are loaded.</summary>
public sealed class ChangingStoreTests
{
    [Theory]
    [InlineData(1, 4 + (3 * 128), null)] // once, in the middle of a load
    [InlineData(int.MaxValue, 4 + 128, ChunkMiss.OtherForm)] // all the time: the prefix ends there, and nobody waits
    public async Task ChunksThatChangeWhileTheyAreLoadedAreRestoredOrEndThePrefix(int changes, int restored, ChunkMiss? miss)
    {
        PrefixOptions options = Samples.Prefixes(Samples.Options("q8", layers: 1));
        int[] tokens = Samples.Tokens(4 + (3 * 128) + 30, 1);
        ChunkKey[] keys = new ChunkPlan(options).KeysOf(tokens);
        var memory = new MemoryChunkStore(1 << 30);
        await Samples.StoreAsync(memory, options, tokens);
        byte[] before = await Recoded.GetAsync(memory, options, keys[1]);
        await Recoded.InAsync(memory, options, tokens, 1, LayerSpecs.FromText("turboquant:bits=2"));
        byte[] after = await Recoded.GetAsync(memory, options, keys[1]);
        await memory.PutAsync([keys[1]], [before]);

        var store = new Changing(memory, keys[1], [after, before], changes);
        Assert.Equal((restored, miss), await Samples.RestoreAsync(store, options, tokens));
        Assert.InRange(store.Loads, 1, 5);
        Assert.Equal((bool[])[true, true, true], await memory.ContainsAsync(keys)); // nothing of it is wrong
    }

    // Changes a value before it is read.
    private sealed class Changing(MemoryChunkStore store, ChunkKey key, byte[][] values, int changes) : IChunkStore
    {
        public int Loads { get; private set; }

        public int LargestValue => store.LargestValue;

        public Task<bool[]> ContainsAsync(IReadOnlyList<ChunkKey> keys, CancellationToken cancellation = default) => store.ContainsAsync(keys, cancellation);

        public async Task<ChunkAnswer[]> GetAsync(IReadOnlyList<ChunkKey> keys, IReadOnlyList<Memory<byte>> destinations, CancellationToken cancellation = default)
        {
            if (Loads < changes)
                await store.PutAsync([key], [values[Loads % 2]], cancellation);
            Loads++;
            return await store.GetAsync(keys, destinations, cancellation);
        }

        public Task<PutOutcome[]> PutAsync(IReadOnlyList<ChunkKey> keys, IReadOnlyList<ReadOnlyMemory<byte>> values, CancellationToken cancellation = default) => store.PutAsync(keys, values, cancellation);

        public Task RemoveAsync(IReadOnlyList<ChunkKey> keys, CancellationToken cancellation = default) => store.RemoveAsync(keys, cancellation);
    }
}
