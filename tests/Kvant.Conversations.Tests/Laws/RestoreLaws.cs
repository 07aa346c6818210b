using Kvant.Caching;
using Kvant.Conversations.Stores;
using Kvant.Formats;
using Kvant.Tests;

namespace Kvant.Conversations.Tests.Laws;

/// <summary>What is restored is what was stored, cut to the border: the same bytes, and so the same answers.</summary>
public sealed class RestoreLaws
{
    [Theory]
    [MemberData(nameof(Samples.Policies), MemberType = typeof(Samples))]
    public void RestoredPrefixIsTheCacheThatWasStoredAfterTheCut(string policy) => Fresh.Each(policy, 2, seed =>
    {
        var random = new Random(seed);
        PrefixOptions options = Samples.Prefixes(Samples.Options(policy, sinks: random.Next(3) * 5, window: random.Next(4) * 30, drafts: random.Next(2) * 7));
        var store = new MemoryChunkStore(1 << 30);
        using KvCache cache = Grow(store, options, random, out int[] tokens);
        Samples.Restore(store, options, tokens, restored =>
        {
            int rows = tokens.Length - options.Cache.Sinks - options.Cache.Window - options.Cache.DraftTokens - (2 * 128);
            Assert.True(restored.RestoredTokens >= rows && restored.RestoredTokens <= tokens.Length, $"{restored.RestoredTokens} of {tokens.Length} tokens");
            using KvCache cut = cache.Fork();
            cut.Truncate(restored.RestoredTokens);
            Assert.Equal(cut.Freeze(), restored.Cache.Freeze());
            Samples.GoOn(cut, restored.Cache, seed);
        });
    });

    [Theory]
    [InlineData("turboquant:bits=3|kivi", 0, 200)]
    [InlineData("balanced", 199, 0)] // a chunk, the window, a block and what comes at once
    [InlineData("balanced", 300, 220)]
    [InlineData("q8", 168, 600)]
    public void LayersWithSlidingWindowsAnswerAsTheyDid(string policy, int first, int second) => Fresh.Each(policy, 4, seed =>
    {
        var random = new Random(seed);
        PrefixOptions options = Samples.Prefixes(Samples.Options(policy, drafts: random.Next(2) * 7, slidingWindows: [first, second, 0], layers: 3));
        var store = new MemoryChunkStore(1 << 30);
        using KvCache cache = Grow(store, options, random, out int[] tokens, mostAtOnce: 20);
        Samples.Restore(store, options, tokens, restored =>
        {
            Assert.True(restored.RestoredTokens > 0 || tokens.Length < 128 + 64, $"nothing of {tokens.Length} tokens");
            if (restored.RestoredTokens == 0)
                return;
            using var fresh = new KvCache(options.Cache);
            Samples.Append(fresh, tokens.AsSpan(0, restored.RestoredTokens));
            for (int layer = 0; layer < 3; layer++)
                Assert.True(restored.Cache.FirstLive(layer) >= fresh.FirstLive(layer) && restored.Cache.CanTruncate(restored.RestoredTokens));
            if (!cache.CanTruncate(restored.RestoredTokens))
                return;
            using KvCache cut = cache.Fork();
            cut.Truncate(restored.RestoredTokens);
            Samples.GoOn(cut, restored.Cache, seed);
        });
    });

    [Fact]
    public void SharedLayersAndLatentOnesComeBack()
    {
        KvCacheOptions options = Samples.Options("balanced", layers: 4) with
        {
            Geometry = Samples.Options("balanced", layers: 4).Geometry.WithLayers((layer, shape) => layer switch
            {
                1 => shape with { KvHeads = 1, QueryHeads = 4, KeyDimension = 96, ValueDimension = 64, ValuesInKeys = true },
                3 => shape with { SharedLayer = 0 },
                _ => shape,
            }),
        };
        PrefixOptions prefixes = Samples.Prefixes(options);
        var store = new MemoryChunkStore(1 << 30);
        using KvCache cache = Grow(store, prefixes, new Random(1), out int[] tokens);
        Samples.Restore(store, prefixes, tokens, restored =>
        {
            using KvCache cut = cache.Fork();
            cut.Truncate(restored.RestoredTokens);
            Assert.Equal(cut.Freeze(), restored.Cache.Freeze());
        });
    }

    // Appends, cuts and forks, stored as they come.
    private static KvCache Grow(MemoryChunkStore store, PrefixOptions options, Random random, out int[] sequence, int mostAtOnce = 200)
    {
        var prefixes = new PrefixStore(store, options);
        var cache = new KvCache(options.Cache);
        StoredSequence stored = prefixes.Follow(cache);
        List<int> tokens = [];
        for (int step = 0; step < 24; step++)
        {
            if (random.Next(6) == 0)
            {
                int length = Math.Max(0, tokens.Count - random.Next(random.Next(2) == 0 ? 30 : 300));
                if (cache.CanTruncate(length))
                {
                    cache.Truncate(length);
                    tokens.RemoveRange(length, tokens.Count - length);
                }
            }

            int[] more = Samples.Tokens(random.Next(1, mostAtOnce), random.Next());
            Samples.Append(cache, more);
            tokens.AddRange(more);
            stored.Store([.. tokens]);
            prefixes.FlushAsync().Wait();
        }

        Assert.Empty(prefixes.Statistics.Refusals);
        prefixes.DisposeAsync().AsTask().Wait();
        sequence = [.. tokens];
        return cache;
    }
}
