using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;
using Kvant.Formats;

namespace Kvant.Conversations.Tests.Recoding;

/// <summary>Sequences whose rows were coded again, by a store or in memory, are stored as they are.</summary>
public sealed class StoredOnTests
{
    private static readonly LayerSpecs s_tiny = LayerSpecs.FromText("tiny");

    [Fact]
    public async Task WhatWasRestoredInFewerBitsIsNeverStoredAsIfItWereNot()
    {
        PrefixOptions options = Samples.Prefixes(Samples.Options("balanced"));
        int[] tokens = Samples.Tokens(4 + (5 * 128) + 60, 1);
        ChunkKey[] keys = new ChunkPlan(options).KeysOf(tokens);
        var store = new MemoryChunkStore(1 << 30);
        await Samples.StoreAsync(store, options, tokens[..(4 + (3 * 128) + 60)]);
        await Recoded.InAsync(store, options, tokens, 0, s_tiny);
        await Recoded.InAsync(store, options, tokens, 1, s_tiny);
        byte[][] before = [.. await Task.WhenAll(keys[..3].Select(key => Recoded.GetAsync(store, options, key)))];

        await using var prefixes = new PrefixStore(store, options);
        using StoredSequence sequence = await prefixes.RestoreAsync(tokens);
        Assert.Equal((4 + (3 * 128), 4 + 256), (sequence.RestoredTokens, sequence.RecodedTokens));
        Assert.Equal(4 + 256, prefixes.Statistics.TokensRecoded);
        await store.RemoveAsync(keys);
        Samples.Append(sequence.Cache, tokens.AsSpan(sequence.RestoredTokens));
        Assert.Equal(StoreOutcome.Queued, sequence.Store(tokens));
        await prefixes.FlushAsync();
        // What it thinks is there it does not store again; another sequence of the same tokens does.
        Assert.Equal((bool[])[false, false, false, true, true], await store.ContainsAsync(keys));
        using StoredSequence another = prefixes.Follow(sequence.Cache);
        Assert.Equal(StoreOutcome.Queued, another.Store(tokens));
        await prefixes.FlushAsync();
        for (int chunk = 0; chunk < 3; chunk++)
            Assert.Equal(before[chunk], await Recoded.GetAsync(store, options, keys[chunk]));

        using StoredSequence again = await prefixes.RestoreAsync(tokens);
        Assert.Equal((4 + (5 * 128), 4 + 256), (again.RestoredTokens, again.RecodedTokens));
        using KvCache cut = sequence.Cache.Fork();
        cut.Truncate(again.RestoredTokens);
        Assert.Equal(cut.Freeze(), again.Cache.Freeze());
    }

    [Theory]
    [InlineData(4 + 256)]
    [InlineData(4 + 128 + 64)] // in the middle of a chunk, which is stored in as few bits as its first rows have
    [InlineData(int.MaxValue)]
    public async Task CacheWhoseTokensWereCodedAgainIsStoredSo(int recoded)
    {
        PrefixOptions options = Samples.Prefixes(Samples.Options("balanced"));
        int[] tokens = Samples.Tokens(4 + (5 * 128) + 60, 1);
        using var cache = new KvCache(options.Cache);
        Samples.Append(cache, tokens.AsSpan(0, 4 + (3 * 128) + 60));
        cache.Recode(LayerPolicy.Uniform(2, s_tiny), recoded);
        Samples.Append(cache, tokens.AsSpan(cache.Length));
        var store = new MemoryChunkStore(1 << 30);
        await using var prefixes = new PrefixStore(store, options);
        using StoredSequence sequence = prefixes.Follow(cache);
        Assert.Equal(StoreOutcome.Queued, sequence.Store(tokens));
        await prefixes.FlushAsync();
        using StoredSequence restored = await prefixes.RestoreAsync(tokens);
        int inFewer = (int)Math.Min(4, (recoded - 4 + 127L) / 128);
        Assert.Equal((4 + (5 * 128), 4 + (inFewer * 128)), (restored.RestoredTokens, restored.RecodedTokens));

        // A fork whose tokens are coded again up to the end of that chunk is the same.
        using KvCache cut = cache.Fork();
        cut.Truncate(restored.RestoredTokens);
        cut.Recode(LayerPolicy.Uniform(2, s_tiny), 4 + (inFewer * 128));
        Assert.Equal(cut.Freeze(), restored.Cache.Freeze());

        // Also where it was written to a file meanwhile.
        using KvCache thawed = CacheFreezing.Thaw(cache.Freeze());
        var other = new MemoryChunkStore(1 << 30);
        await using var others = new PrefixStore(other, options);
        using StoredSequence second = others.Follow(thawed);
        Assert.Equal(StoreOutcome.Queued, second.Store(tokens));
        await others.FlushAsync();
        foreach (ChunkKey key in new ChunkPlan(options).KeysOf(tokens))
            Assert.Equal(await Recoded.GetAsync(store, options, key), await Recoded.GetAsync(other, options, key));
    }

    [Fact]
    public async Task WhatNoChunkSaysIsRefused()
    {
        PrefixOptions options = Samples.Prefixes(Samples.Options("q8"));
        int[] tokens = Samples.Tokens(500, 1);
        using var cache = new KvCache(options.Cache);
        Samples.Append(cache, tokens);
        cache.Recode(LayerPolicy.Uniform(2, s_tiny), 200); // whose keys choose from data
        await using var prefixes = new PrefixStore(new MemoryChunkStore(1 << 30), options);
        using StoredSequence sequence = prefixes.Follow(cache);
        Assert.Equal(StoreOutcome.Recoded, sequence.Store(tokens));
    }

    [Fact]
    public void CachesThatCodeAgainByThemselvesAreRefused()
    {
        KvCacheOptions full = Samples.Options("q8") with { MemoryLimit = 1 << 20, Floor = LayerPolicy.Uniform(2, LayerSpecs.Both(CodecSpec.Parse("q4_0"))) };
        Assert.Throws<ArgumentException>(() => Samples.Prefixes(full));
        using PagePool pool = new(1 << 20), free = new();
        Assert.Throws<ArgumentException>(() => Samples.Prefixes(full with { MemoryLimit = null, Pool = pool }));
        _ = Samples.Prefixes(full with { MemoryLimit = null, Pool = free });
    }
}
