using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;

namespace Kvant.Conversations.Tests.Stores;

/// <summary>What every store does.</summary>
public abstract class StoreContract
{
    /// <summary>A store that has nothing of what other tests stored.</summary>
    protected abstract Task<IChunkStore> CreateAsync();

    [Fact]
    public async Task WhatWasPutIsThere()
    {
        IChunkStore store = await CreateAsync();
        ChunkKey[] keys = Keys(5, 1);
        byte[][] values = [.. keys.Select((_, i) => Value(i * 1000, i))];
        Assert.All(await store.PutAsync(keys, Memories(values)), outcome => Assert.Equal(PutOutcome.Stored, outcome));
        ChunkKey[] asked = [keys[3], Keys(1, 2)[0], keys[0], keys[3]];
        Assert.Equal((bool[])[true, false, true, true], await store.ContainsAsync(asked));
        byte[][] found = [.. asked.Select(_ => new byte[4000])];
        ChunkAnswer[] answers = await store.GetAsync(asked, Destinations(found));
        Assert.Equal([ChunkAnswer.Hit(3000), ChunkMiss.Absent, ChunkAnswer.Hit(0), ChunkAnswer.Hit(3000)], answers);
        Assert.Equal(values[3], found[0][..3000]);
        Assert.Equal(values[3], found[3][..3000]);
    }

    [Fact]
    public async Task MemoryThatIsTooSmallIsAnAnswerAndNothingBehindItIsWritten()
    {
        IChunkStore store = await CreateAsync();
        ChunkKey[] keys = Keys(2, 3);
        await store.PutAsync(keys, Memories(Value(100, 1), Value(100, 2)));
        byte[] memory = new byte[200];
        ChunkAnswer[] answers = await store.GetAsync(keys, [memory.AsMemory(0, 99), memory.AsMemory(99, 100)]);
        Assert.Equal([ChunkMiss.TooLong, ChunkAnswer.Hit(100)], answers);
        Assert.Equal(Value(100, 2), memory[99..199]);
        Assert.Equal(0, memory[199]);
    }

    [Fact]
    public async Task ValueThatReplacesAnotherIsTheOneThatIsThere()
    {
        IChunkStore store = await CreateAsync();
        ChunkKey[] key = Keys(1, 4);
        foreach (int length in (int[])[500, 20, 0, 3000])
        {
            Assert.Equal((PutOutcome[])[PutOutcome.Stored], await store.PutAsync(key, Memories(Value(length, length))));
            Assert.Equal(Value(length, length), await GetAsync(store, key[0]));
        }
    }

    [Fact]
    public async Task WhatWasRemovedIsGoneAndTwiceIsFine()
    {
        IChunkStore store = await CreateAsync();
        ChunkKey[] keys = Keys(3, 5);
        await store.PutAsync(keys, Memories(Value(10, 1), Value(10, 2), Value(10, 3)));
        await store.RemoveAsync(keys[..2]);
        await store.RemoveAsync(keys[1..2]);
        Assert.Equal((bool[])[false, false, true], await store.ContainsAsync(keys));
        Assert.Null(await GetAsync(store, keys[0]));
        Assert.Equal((PutOutcome[])[PutOutcome.Stored], await store.PutAsync(keys[..1], Memories(Value(7, 7))));
        Assert.Equal(Value(7, 7), await GetAsync(store, keys[0]));
    }

    [Fact]
    public async Task CallsWithoutKeysDoNothing()
    {
        IChunkStore store = await CreateAsync();
        Assert.Empty(await store.ContainsAsync([]));
        Assert.Empty(await store.GetAsync([], []));
        Assert.Empty(await store.PutAsync([], []));
        await store.RemoveAsync([]);
    }

    [Fact]
    public async Task OtherNumbersOfKeysAndValuesAreRefused()
    {
        IChunkStore store = await CreateAsync();
        Assert.Contains("1 destinations for 2 keys", (await Assert.ThrowsAsync<ArgumentException>(() => store.GetAsync(Keys(2, 6), [new byte[1]]))).Message, StringComparison.Ordinal);
        Assert.Contains("0 values for 2 keys", (await Assert.ThrowsAsync<ArgumentException>(() => store.PutAsync(Keys(2, 6), []))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task CancelledCallsSaySo()
    {
        IChunkStore store = await CreateAsync();
        var cancelled = new CancellationToken(canceled: true);
        ChunkKey[] key = Keys(1, 7);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.ContainsAsync(key, cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.GetAsync(key, Destinations(new byte[1]), cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.PutAsync(key, Memories(Value(1, 1)), cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.RemoveAsync(key, cancelled));
        Assert.Equal((bool[])[false], await store.ContainsAsync(key));
    }

    [Fact]
    public async Task ManyAtOnceDoNotMixTheirValues()
    {
        IChunkStore store = await CreateAsync();
        ChunkKey[] keys = Keys(12, 8);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(async () =>
        {
            var random = new Random(worker);
            for (int round = 0; round < 30; round++)
            {
                int i = random.Next(keys.Length);
                if (random.Next(3) == 0)
                    await store.PutAsync([keys[i]], Memories(Value(2000 + i, i)));
                else if (random.Next(8) == 0)
                    await store.RemoveAsync([keys[i]]);
                else if (await GetAsync(store, keys[i]) is { } found)
                    Assert.Equal(Value(2000 + i, i), found);
            }
        })));
    }

    [Fact]
    public async Task SequencesAreStoredAndRestored()
    {
        IChunkStore store = await CreateAsync();
        PrefixOptions options = Samples.Prefixes(Samples.Options("balanced")) with { Tenant = Guid.NewGuid().ToString() };
        int[] tokens = Samples.Tokens(700, 9);
        await Samples.StoreAsync(store, options, tokens);
        Assert.Equal((4 + (5 * 128), null), await Samples.RestoreAsync(store, options, tokens[..680]));
    }

    internal static ChunkKey[] Keys(int count, int seed)
    {
        byte[] bytes = new byte[ChunkKey.ByteLength * count];
        new Random(seed).NextBytes(bytes);
        return [.. bytes.Chunk(ChunkKey.ByteLength).Select(b => new ChunkKey(b))];
    }

    internal static byte[] Value(int length, int seed)
    {
        byte[] value = new byte[length];
        new Random(seed).NextBytes(value);
        return value;
    }

    internal static ReadOnlyMemory<byte>[] Memories(params byte[][] values) => [.. values.Select(v => (ReadOnlyMemory<byte>)v)];

    internal static async Task<byte[]?> GetAsync(IChunkStore store, ChunkKey key)
    {
        byte[] memory = new byte[10_000];
        ChunkAnswer answer = (await store.GetAsync([key], Destinations(memory)))[0];
        return answer.Miss is null ? memory[..answer.Length] : null;
    }

    private static Memory<byte>[] Destinations(params byte[][] memory) => [.. memory.Select(m => m.AsMemory())];
}
