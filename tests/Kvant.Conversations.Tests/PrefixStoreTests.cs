using Kvant.Caching;
using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;
using Kvant.Formats;

namespace Kvant.Conversations.Tests;

public sealed class PrefixStoreTests
{
    private static readonly PrefixOptions s_options = Samples.Prefixes(Samples.Options("balanced"));
    private static readonly int[] s_tokens = Samples.Tokens(700, 1);

    [Fact]
    public async Task NothingIsRestoredWhereNothingIsStored()
    {
        await using var prefixes = new PrefixStore(new MemoryChunkStore(1 << 20), s_options);
        using StoredSequence sequence = await prefixes.RestoreAsync(s_tokens);
        Assert.Equal((0, 0, ChunkMiss.Absent), (sequence.RestoredTokens, sequence.Cache.Length, sequence.Miss));
        using StoredSequence few = await prefixes.RestoreAsync(s_tokens.AsMemory(0, 100));
        Assert.Equal((0, null), (few.RestoredTokens, few.Miss)); // no whole chunk, so none was missed
        Assert.Equal((ChunkMiss.Absent, 1), Assert.Single(prefixes.Statistics.Misses.Select(m => (m.Key, (int)m.Value))));
        Assert.Equal((4 + (5 * 128), 0), (prefixes.Statistics.TokensLookedUp, prefixes.Statistics.TokensHit));
    }

    [Fact]
    public async Task EachChunkIsWrittenOnceHoweverTheSequenceGrows()
    {
        var store = new CountingStore();
        await using var prefixes = new PrefixStore(store, s_options);
        using StoredSequence sequence = prefixes.Follow(new KvCache(s_options.Cache));
        for (int i = 0; i < s_tokens.Length; i += 7)
        {
            Samples.Append(sequence.Cache, s_tokens.AsSpan(i, 7));
            sequence.Store(s_tokens);
        }

        await prefixes.FlushAsync();
        Assert.Equal(5, store.Puts);
        Assert.Equal((5, 0, 0), (prefixes.Statistics.ChunksStored, prefixes.Statistics.ChunksKnown, prefixes.Statistics.ChunksDropped));
        // Another that begins alike writes what is new.
        int[] other = [.. s_tokens[..500], .. Samples.Tokens(200, 3)];
        using StoredSequence restored = await prefixes.RestoreAsync(other);
        Assert.Equal((4 + (3 * 128), ChunkMiss.Absent), (restored.RestoredTokens, restored.Miss));
        Samples.Append(restored.Cache, other.AsSpan(restored.RestoredTokens));
        Assert.Equal(StoreOutcome.Queued, restored.Store(other));
        Assert.Equal(StoreOutcome.NothingNew, restored.Store(other));
        await prefixes.FlushAsync();
        Assert.Equal(7, store.Puts);
        sequence.Cache.Dispose();
    }

    [Fact]
    public async Task TenantsFindOnlyTheirOwn()
    {
        var store = new MemoryChunkStore(1 << 24);
        await Samples.StoreAsync(store, s_options with { Tenant = "ada" }, s_tokens);
        Assert.Equal((0, ChunkMiss.Absent), await Samples.RestoreAsync(store, s_options with { Tenant = "bob" }, s_tokens));
        Assert.Equal((0, ChunkMiss.Absent), await Samples.RestoreAsync(store, s_options, s_tokens));
        Assert.Equal((4 + (5 * 128), null), await Samples.RestoreAsync(store, s_options with { Tenant = "ada" }, s_tokens));
    }

    // As many chunks are closed then as before, but the last is another one.
    [Fact]
    public async Task ChunkThatACutReplacesIsStoredAtOnce()
    {
        var store = new CountingStore();
        await using var prefixes = new PrefixStore(store, s_options);
        using var cache = new KvCache(s_options.Cache);
        StoredSequence sequence = prefixes.Follow(cache);
        Samples.Append(cache, s_tokens.AsSpan(0, 560));
        Assert.Equal(StoreOutcome.Queued, sequence.Store(s_tokens));
        int[] other = [.. s_tokens[..460], .. Samples.Tokens(100, 3)];
        cache.Truncate(460);
        Samples.Append(cache, other.AsSpan(460));
        Assert.Equal(StoreOutcome.Queued, sequence.Store(other));
        Assert.Equal(StoreOutcome.NothingNew, sequence.Store(other));
        await prefixes.FlushAsync();
        Assert.Equal(5, store.Puts);
        using StoredSequence restored = await prefixes.RestoreAsync(other);
        Assert.Equal(4 + (4 * 128), restored.RestoredTokens);
    }

    [Fact]
    public async Task QueueThatIsFullSaysSoAndNothingIsLostForGood()
    {
        var store = new CountingStore { Gate = new TaskCompletionSource() };
        await using var prefixes = new PrefixStore(store, s_options with { QueueLength = 1 });
        using var cache = new KvCache(s_options.Cache);
        StoredSequence sequence = prefixes.Follow(cache);
        List<StoreOutcome> outcomes = [];
        for (int i = 0; i < 560; i += 20)
        {
            Samples.Append(cache, s_tokens.AsSpan(i, 20));
            if (sequence.Store(s_tokens) is not StoreOutcome.NothingNew and var outcome)
                outcomes.Add(outcome);
            await Task.Delay(1);
        }

        // One is being written, one waits.
        Assert.Equal([StoreOutcome.Queued, StoreOutcome.Queued, StoreOutcome.QueueFull], outcomes[..3]);
        Assert.InRange(prefixes.Statistics.ChunksDropped, 1, 3);
        store.Gate.SetResult();
        await prefixes.FlushAsync();
        Samples.Append(cache, s_tokens.AsSpan(560));
        Assert.Equal(StoreOutcome.Queued, sequence.Store(s_tokens));
        await prefixes.FlushAsync();
        Assert.Equal((4 + (5 * 128), null), await Samples.RestoreAsync(store, s_options, s_tokens));
    }

    [Fact]
    public async Task ChunkThatCouldNotBeStoredIsTriedAgainWithTheNext()
    {
        var store = new CountingStore { Outcome = PutOutcome.NoRoom };
        await using var prefixes = new PrefixStore(store, s_options);
        using var cache = new KvCache(s_options.Cache);
        StoredSequence sequence = prefixes.Follow(cache);
        Samples.Append(cache, s_tokens.AsSpan(0, 560));
        Assert.Equal(StoreOutcome.Queued, sequence.Store(s_tokens));
        await prefixes.FlushAsync();
        Assert.Equal(1, store.Puts); // what stands on it is not tried
        Assert.Equal((PutOutcome.NoRoom, 1), Assert.Single(prefixes.Statistics.Refusals.Select(r => (r.Key, (int)r.Value))));
        store.Outcome = null;
        Samples.Append(cache, s_tokens.AsSpan(560));
        sequence.Store(s_tokens);
        await prefixes.FlushAsync();
        Assert.Equal((4 + (5 * 128), null), await Samples.RestoreAsync(store, s_options, s_tokens));
    }

    [Theory]
    [InlineData(false, ChunkMiss.Unreachable)]
    [InlineData(true, ChunkMiss.TimedOut)]
    public async Task StoreThatFailsOrSleepsIsAMiss(bool sleeps, ChunkMiss miss)
    {
        var store = new CountingStore();
        await Samples.StoreAsync(store, s_options, s_tokens);
        PrefixOptions options = s_options with { TimeLimit = TimeSpan.FromMilliseconds(50) };
        await using var prefixes = new PrefixStore(store, options);
        store.Fails = !sleeps;
        store.Gate = sleeps ? new TaskCompletionSource() : null;
        using StoredSequence sequence = await prefixes.RestoreAsync(s_tokens);
        Assert.Equal((0, miss), (sequence.RestoredTokens, sequence.Miss));
        Samples.Append(sequence.Cache, s_tokens);
        Assert.Equal(StoreOutcome.Queued, sequence.Store(s_tokens));
        await prefixes.FlushAsync();
        Assert.Equal(sleeps ? PutOutcome.TimedOut : PutOutcome.Failed, Assert.Single(prefixes.Statistics.Refusals).Key);
    }

    [Fact]
    public async Task CancellationOfTheCallersGoesThrough()
    {
        await using var prefixes = new PrefixStore(new CountingStore { Gate = new TaskCompletionSource() }, s_options);
        using var cancellation = new CancellationTokenSource(20);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => prefixes.RestoreAsync(s_tokens, cancellation.Token));
    }

    [Fact]
    public async Task PoolWithoutRoomIsAMissAndKeepsNothing()
    {
        var store = new MemoryChunkStore(1 << 24);
        await Samples.StoreAsync(store, s_options, s_tokens);
        using var pool = new PagePool(100_000);
        Assert.Equal((0, ChunkMiss.NoRoom), await Samples.RestoreAsync(store, s_options with { Cache = s_options.Cache with { Pool = pool } }, s_tokens));
        Assert.Equal(0, pool.UsedBytes);
    }

    [Fact]
    public async Task EvictedTokensCannotBeStored()
    {
        Assert.Contains("as they age", Assert.Throws<ArgumentException>(() => s_options with { Cache = s_options.Cache with { Policy = LayerPolicy.Uniform(s_options.Cache.Geometry.Layers, LayerSpecs.FromText("q8; 512: q4_0")) } }).Message, StringComparison.Ordinal);
        Assert.Contains("evicts", Assert.Throws<ArgumentException>(() => s_options with { Cache = s_options.Cache with { Eviction = new Eviction.Newest(9) } }).Message, StringComparison.Ordinal);
        Assert.Contains("weights", Assert.Throws<ArgumentException>(() => s_options with { Cache = s_options.Cache with { Identity = null } }).Message, StringComparison.Ordinal);
        await using var prefixes = new PrefixStore(new MemoryChunkStore(1 << 20), s_options);
        using var cache = new KvCache(s_options.Cache);
        StoredSequence sequence = prefixes.Follow(cache);
        Samples.Append(cache, s_tokens);
        cache.Evict(100);
        Assert.Equal(StoreOutcome.Evicted, sequence.Store(s_tokens));
        Assert.Contains("600 tokens; the cache holds 650", Assert.Throws<ArgumentException>(() => Store(650, 600)).Message, StringComparison.Ordinal);

        StoreOutcome Store(int held, int said)
        {
            using var other = new KvCache(s_options.Cache);
            Samples.Append(other, s_tokens.AsSpan(0, held));
            return prefixes.Follow(other).Store(s_tokens.AsSpan(0, said));
        }
    }

    [Fact]
    public async Task CacheOfOtherOptionsIsRefused()
    {
        await using var prefixes = new PrefixStore(new MemoryChunkStore(1 << 20), s_options);
        foreach (KvCacheOptions other in (KvCacheOptions[])[Samples.Options("small"), Samples.Options("balanced", sinks: 3), Samples.Options("balanced") with { Identity = null }])
        {
            using var cache = new KvCache(other);
            Assert.Throws<ArgumentException>(() => prefixes.Follow(cache));
        }
    }

    [Fact]
    public async Task SectionsComeBackWithTheChunkThatEndsWhereTheyWereKept()
    {
        PrefixOptions options = s_options with { Sections = ["state"], LargestSection = 8 };
        var store = new MemoryChunkStore(1 << 24);
        await using var prefixes = new PrefixStore(store, options);
        using var cache = new KvCache(options.Cache);
        StoredSequence sequence = prefixes.Follow(cache);
        for (int chunk = 1; chunk <= 5; chunk++)
        {
            Assert.Equal(4 + (chunk * 128), sequence.NextBorder);
            Samples.Append(cache, s_tokens.AsSpan(cache.Length, 60));
            Assert.Contains("the next does at", Assert.Throws<ArgumentException>(() => sequence.Keep("state", [1])).Message, StringComparison.Ordinal);
            Samples.Append(cache, s_tokens.AsSpan(cache.Length, sequence.NextBorder - cache.Length));
            if (chunk < 5)
                sequence.Keep("state", [(byte)chunk, 7]);
            Assert.Equal(chunk == 1 ? StoreOutcome.NothingNew : StoreOutcome.Queued, sequence.Store(s_tokens));
        }

        Samples.Append(cache, s_tokens.AsSpan(cache.Length));
        Assert.Equal(StoreOutcome.SectionMissing, sequence.Store(s_tokens));
        await prefixes.FlushAsync();
        using StoredSequence restored = await prefixes.RestoreAsync(s_tokens.AsMemory(0, 500));
        Assert.Equal(4 + (3 * 128), restored.RestoredTokens);
        Assert.Equal([3, 7], Assert.Single(restored.Sections).Value);
        Assert.Throws<ArgumentException>(() => sequence.Keep("other", [1]));
        Assert.Throws<ArgumentException>(() => sequence.Keep("state", new byte[9]));
        Assert.Throws<ArgumentException>(() => options with { Sections = ["a", "a"] });
        Assert.Throws<ArgumentException>(() => options with { Sections = ["A b"] });
    }

    [Fact]
    public async Task ChunksOfTwoThatLearntOtherwiseDoNotMix()
    {
        // The same tokens, keys that differ a little: as from another machine's floats.
        var store = new MemoryChunkStore(1 << 24);
        await Samples.StoreAsync(store, s_options, s_tokens);
        ChunkKey[] keys = new ChunkPlan(s_options).KeysOf(s_tokens);
        var others = new MemoryChunkStore(1 << 24);
        await using (var prefixes = new PrefixStore(others, s_options))
        {
            using var cache = new KvCache(s_options.Cache);
            int[] loud = [.. s_tokens.Select(t => t + 1)];
            Samples.Append(cache, loud);
            prefixes.Follow(cache).Store(s_tokens);
        }

        byte[] value = new byte[1 << 20];
        int length = (await others.GetAsync([keys[2]], [value]))[0].Length;
        await store.PutAsync([keys[2]], [value.AsMemory(0, length)]);
        Assert.Equal((4 + (2 * 128), ChunkMiss.OtherState), await Samples.RestoreAsync(store, s_options, s_tokens));
        Assert.Equal((bool[])[false], await store.ContainsAsync([keys[2]])); // so that it can be stored anew
    }

    [Fact]
    public async Task RestoredCacheIsThatOfTheOptionsAndLivesAsLongAsItsSequence()
    {
        var store = new MemoryChunkStore(1 << 24);
        await Samples.StoreAsync(store, s_options, s_tokens);
        await using var prefixes = new PrefixStore(store, s_options);
        StoredSequence sequence = await prefixes.RestoreAsync(s_tokens);
        Assert.Equal(s_options.Cache.Identity, sequence.Cache.Options.Identity);
        using KvCache thawed = KvCache.Thaw(sequence.Cache.Freeze());
        Assert.Equal(sequence.Cache.Statistics, thawed.Statistics);
        sequence.Dispose();
        Assert.Throws<ObjectDisposedException>(() => sequence.Cache.Length);
    }

    /// <summary>Counts, waits and fails as a test wants.</summary>
    private sealed class CountingStore : IChunkStore
    {
        private readonly MemoryChunkStore _inner = new(1 << 28);

        public int Puts { get; private set; }

        public bool Fails { get; set; }

        public PutOutcome? Outcome { get; set; }

        public TaskCompletionSource? Gate { get; set; }

        public int LargestValue => _inner.LargestValue;

        public async Task<bool[]> ContainsAsync(IReadOnlyList<ChunkKey> keys, CancellationToken cancellation = default)
        {
            await Before();
            return await _inner.ContainsAsync(keys, cancellation);
        }

        public async Task<ChunkAnswer[]> GetAsync(IReadOnlyList<ChunkKey> keys, IReadOnlyList<Memory<byte>> destinations, CancellationToken cancellation = default)
        {
            await Before();
            return await _inner.GetAsync(keys, destinations, cancellation);
        }

        public async Task<PutOutcome[]> PutAsync(IReadOnlyList<ChunkKey> keys, IReadOnlyList<ReadOnlyMemory<byte>> values, CancellationToken cancellation = default)
        {
            await Before();
            Puts++;
            return Outcome is { } outcome ? [outcome] : await _inner.PutAsync(keys, values, cancellation);
        }

        public Task RemoveAsync(IReadOnlyList<ChunkKey> keys, CancellationToken cancellation = default) => _inner.RemoveAsync(keys, cancellation);

        private async Task Before()
        {
            await (Gate?.Task ?? Task.CompletedTask);
            if (Fails)
                throw new InvalidOperationException("a store of strangers");
        }
    }
}
