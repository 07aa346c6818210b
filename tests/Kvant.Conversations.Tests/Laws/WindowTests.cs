using Kvant.Caching;
using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;

namespace Kvant.Conversations.Tests.Laws;

/// <summary>Layers with sliding windows, whose chunks hold what still lived.</summary>
public sealed class WindowTests
{
    // Chunks of 128, a window of 20 and a block of 32 less one.
    private const int Shortest = 179;

    [Fact]
    public void WindowThatIsTooShortIsRefusedWithTheOneThatIsWanted()
    {
        _ = new ChunkPlan(Samples.Prefixes(Samples.Options("balanced", slidingWindows: [0, Shortest])));
        var refused = Assert.Throws<ArgumentException>(() => new ChunkPlan(Samples.Prefixes(Samples.Options("balanced", slidingWindows: [0, Shortest - 1]))));
        Assert.Contains("Layer 1", refused.Message, StringComparison.Ordinal);
        Assert.Contains("179", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task PromptInOnePieceIsForgottenAndWhatFollowsItInSmallOnesIsNot()
    {
        PrefixOptions options = Samples.Prefixes(Samples.Options("q8", slidingWindows: [0, 200]));
        var store = new MemoryChunkStore(1 << 30);
        await using var prefixes = new PrefixStore(store, options);
        using var cache = new KvCache(options.Cache);
        using StoredSequence sequence = prefixes.Follow(cache);
        int[] tokens = Samples.Tokens(1500, 1);
        Samples.Append(cache, tokens.AsSpan(0, 1000));
        sequence.Store(tokens);
        await prefixes.FlushAsync();
        Assert.Equal((0, ChunkMiss.Forgotten), await Samples.RestoreAsync(store, options, tokens));
        while (cache.Length < 1500)
        {
            Samples.Append(cache, tokens.AsSpan(cache.Length, 10));
            sequence.Store(tokens);
        }

        await prefixes.FlushAsync();
        Assert.Equal((4 + (11 * 128), null), await Samples.RestoreAsync(store, options, tokens));
        // Behind the border in question the window still lacks what the long piece left out.
        Assert.Equal((0, ChunkMiss.Forgotten), await Samples.RestoreAsync(store, options, tokens[..1000]));
    }

    [Fact]
    public async Task ChunksOfWindowedLayersHoldOnlyWhatLives()
    {
        PrefixOptions options = Samples.Prefixes(Samples.Options("q8", layers: 1, slidingWindows: [200]));
        int[] tokens = Samples.Tokens(1000, 1);
        var store = new MemoryChunkStore(1 << 30);
        await Samples.StoreAsync(store, options, tokens);
        Assert.Equal(7, store.Count);
        var plan = new ChunkPlan(options);
        // Of 7 chunks one is partly there, from token 800 on: rows 796 to 895 in blocks of one.
        long rows = (store.UsedBytes - (7 * 256)) / (plan.LayerBytes(0, false, 128, false) / 128);
        Assert.InRange(rows, 100, 100 + 60); // headers and sinks beside them
    }
}
