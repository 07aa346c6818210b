using Kvant.Attention;
using Kvant.Caching;
using Kvant.Formats;
using Kvant.Tests.Attention;

namespace Kvant.Tests.Caching;

/// <summary>What a sliding window forgets, and what somebody wants to be forgotten: a cut misses the first alone.</summary>
public sealed class SlidingWindowTests
{
    [Fact]
    public void EvictionOfTokensThatWereCutSinceExcusesNothing()
    {
        using KvCache cache = Cache(window: 100, drafts: 8, tokens: 300);
        cache.Evict(250);
        Assert.True(cache.CanTruncate(200));
        cache.Truncate(200);
        AttentionCases.Append(cache, 140, seed: 2);
        Assert.Equal(340 - 108, cache.FirstLive(0));
        Assert.True(cache.CanTruncate(332));
        Assert.False(cache.CanTruncate(320)); // tokens 220 to 231 were in the window
    }

    [Fact]
    public void ThawedCacheKnowsWhatWasEvicted()
    {
        foreach (int firstLive in (int[])[150, 192, 195, 200, 250, 300])
        {
            using KvCache cache = Cache(window: 100, drafts: 8, tokens: 300);
            cache.Evict(firstLive);
            using KvCache thawed = KvCache.Thaw(cache.Freeze()), fork = cache.Fork();
            for (int length = 0; length <= 300; length++)
            {
                Assert.Equal(cache.CanTruncate(length), thawed.CanTruncate(length));
                Assert.Equal(cache.CanTruncate(length), fork.CanTruncate(length));
            }

            Assert.Equal(firstLive >= 192, thawed.CanTruncate(250));
        }
    }

    // A rule forgets what the user does not want, in the window too; drafts are refused there as anywhere.
    [Fact]
    public void RuleThatKeepsLessThanTheWindowLetsDraftsBeRefused()
    {
        using KvCache cache = Cache(window: 100, drafts: 8, tokens: 300, new Eviction.Newest(50));
        using KvCache full = Cache(window: 0, drafts: 8, tokens: 300, new Eviction.Newest(50));
        foreach (int length in (int[])[295, 292, 280])
        {
            cache.Truncate(length);
            full.Truncate(length);
            Assert.Equal((250, 250), (cache.FirstLive(0), full.FirstLive(0)));
        }
    }

    [Fact]
    public void ShouldTrimKnowsLargeNumbers()
    {
        using KvCache all = Cache(window: 0, drafts: 0, tokens: 300), some = Cache(window: 0, drafts: 0, tokens: 300, new Eviction.Newest(400)), slides = Cache(window: 400, drafts: 0, tokens: 300);
        Assert.False(all.ShouldTrim(int.MaxValue));
        Assert.True(some.ShouldTrim(int.MaxValue));
        Assert.True(slides.ShouldTrim(int.MaxValue));
        using KvCache few = Cache(window: 0, drafts: 0, tokens: 300, new Eviction.Newest(10));
        Assert.True(few.ShouldTrim(int.MaxValue));
        Assert.False(some.ShouldTrim(100));
        Assert.False(slides.ShouldTrim(100));
    }

    [Theory]
    [InlineData("\"layers.0.evicted\":\"1\"", "\"layers.0.evicted\":\"2\"", "its metadata make")]
    [InlineData(",\"layers.0.evicted\":\"1\"", "", "cannot be")]
    [InlineData("\"layers.0.sliding_window\":\"100\",", "", "cannot be")]
    [InlineData("\"layers.0.first_live\":\"250\"", "\"layers.0.first_live\":\"4\"", "cannot be")]
    public void LiesAboutEvictionAreFound(string old, string lie, string reason)
    {
        using KvCache cache = Cache(window: 100, drafts: 8, tokens: 300);
        cache.Evict(250);
        byte[] wrong = Formats.CacheBytes.Edit(cache.Freeze(), old, lie);
        Assert.Contains(reason, Assert.Throws<InvalidDataException>(() => KvCache.Thaw(wrong)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TokensThatNoArrayHoldsAreRefused()
    {
        CacheGeometry geometry = new() { Layers = 1, KvHeads = 1 << 20, KeyDimension = 4096, ValueDimension = 64 };
        using var cache = new KvCache(AttentionCases.Options(geometry, "q8"));
        using var attention = new CacheAttention(geometry);
        foreach (Action call in (Action[])
        [
            () => cache.Append(0, new float[64], new float[64]),
            () => cache.ObserveQueries(0, 0, new float[64]),
            () => attention.Decode(cache, 0, new float[64], new float[64]),
            () => attention.Logits(cache, 0, new float[64], new float[64]),
            () => attention.Prefill(cache, 0, new float[64], new float[64], new float[64], new float[64]),
        ])
            Assert.Contains("4294967296", Assert.Throws<ArgumentException>(call).Message, StringComparison.Ordinal);

        Assert.Throws<ArgumentException>(() => new KvCache(AttentionCases.Options(AttentionCases.Geometry(), "q8", window: int.MaxValue)));
    }

    [Fact]
    public void StrideOfOneTokenMayBeAnything()
    {
        using KvCache cache = Cache(window: 0, drafts: 0, tokens: 3);
        float[] row = new float[128];
        cache.Append(0, new TokenRows(row, int.MaxValue), new TokenRows(row, int.MaxValue));
        Assert.Equal(4, cache.Length);
        Assert.Throws<ArgumentException>(() => cache.Append(0, new TokenRows(new float[129], int.MaxValue), row));
    }

    private static KvCache Cache(int window, int drafts, int tokens, Eviction? eviction = null)
    {
        var cache = new KvCache(AttentionCases.Options(AttentionCases.Windowed(AttentionCases.Geometry(), window), "q8") with { DraftTokens = drafts, Eviction = eviction ?? Eviction.None });
        AttentionCases.Append(cache, tokens, seed: 1);
        return cache;
    }
}
