using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;

namespace Kvant.Tests.Caching;

/// <summary>A codec that fails in the middle of a call leaves the cache as it was, and the next call works.</summary>
public sealed class CacheFailureTests
{
    private static readonly LayerSpecs s_ladder = new(FailingCodec.Spec, FailingCodec.Spec)
    {
        Ages = [new(60, CodecSpec.Parse("q8"), FailingCodec.Spec), new(100, FailingCodec.Spec, FailingCodec.Spec)],
    };

    [Theory]
    [InlineData(0, 100)] // the choice, then blocks
    [InlineData(40, 20)]
    [InlineData(150, 300)] // several pages
    [InlineData(150, 40)] // behind a cut into a block
    public void AppendThatFailsAnywhereChangesNothing(int before, int tokens)
    {
        bool cut = (before, tokens) == (150, 40);
        int failures = EveryFailure(before, cut ? 73 : before, cache => CacheSamples.Append(cache, tokens, seed: 9, layer: 1));
        Assert.InRange(failures, tokens / FailingCodec.Rows, int.MaxValue); // a block a side and head, roughly
    }

    [Theory]
    [InlineData(150, 150, 100)]
    [InlineData(300, 150, 200)] // behind a cut into an older step
    [InlineData(300, 283, 200)] // and one into the newest, whose block goes further at once
    public void AppendThatFailsAsTokensAgeChangesNothing(int before, int length, int tokens) =>
        Assert.InRange(EveryFailure(before, length, cache => CacheSamples.Append(cache, tokens, seed: 9, layer: 1), s_ladder), 1, int.MaxValue);

    [Theory]
    [InlineData(190)]
    [InlineData(70)]
    public void CutThatFailsInAnOlderStepChangesNothing(int length) => Assert.InRange(EveryFailure(300, 300, cache => cache.Truncate(length), s_ladder), 1, int.MaxValue);

    [Theory]
    [InlineData(1000)]
    [InlineData(100)]
    public void CodingAgainThatFailsAnywhereChangesNothing(int tokens) =>
        Assert.InRange(EveryFailure(300, 283, cache => cache.Recode(LayerPolicy.Uniform(2, LayerSpecs.Parse("q4_0:mean=32")), tokens), s_ladder), 1, int.MaxValue);

    [Theory]
    [InlineData(137)]
    [InlineData(60)]
    [InlineData(5)]
    public void CutThatFailsInAnyLayerCutsNone(int length)
    {
        int failures = EveryFailure(200, 200, cache => cache.Truncate(length));
        Assert.Equal(2 * 2 * CacheSamples.Heads, failures); // layers, sides
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)] // only calls on this thread fail: some, among what others do
    public void PromptThatFailsChangesNothing(int threads)
    {
        (float[] keys, float[] values) = CacheSamples.Tokens(60, seed: 3);
        int failures = EveryFailure(100, 100, cache =>
        {
            using var attention = new CacheAttention(cache.Geometry, new AttentionSettings { Threads = threads });
            attention.Prefill(cache, 0, keys, keys, values, new float[values.Length]);
        });
        Assert.InRange(failures, threads == 1 ? 10 : 1, int.MaxValue);
    }

    // Lets the first, second, ... call to the codec fail until the whole goes through.
    private static int EveryFailure(int tokens, int length, Action<KvCache> call, LayerSpecs? specs = null)
    {
        using var pool = new PagePool();
        KvCacheOptions options = CacheSamples.Options("fp16", layers: 2, pool: pool) with { Policy = LayerPolicy.Uniform(2, specs ?? new(FailingCodec.Spec, FailingCodec.Spec)) };
        using KvCache cache = CacheSamples.Cache(options, tokens);
        cache.Truncate(length);
        byte[] frozen = cache.Freeze();
        (long used, CacheStatistics statistics) = (pool.UsedBytes, cache.Statistics);
        for (int failures = 0; ; failures++)
        {
            FailingCodec.CallThatFails = failures + 1;
            try
            {
                call(cache);
                FailingCodec.CallThatFails = 0;
                using KvCache fresh = CacheSamples.Cache(options, tokens);
                fresh.Truncate(length);
                call(fresh);
                Assert.True(fresh.Freeze().AsSpan().SequenceEqual(cache.Freeze()), "The call that went through at last gave other bytes.");
                return failures;
            }
            catch (NotSupportedException)
            {
                FailingCodec.CallThatFails = 0;
                Assert.True(frozen.AsSpan().SequenceEqual(cache.Freeze()), $"Failure {failures + 1} changed the cache.");
                Assert.Equal((used, statistics), (pool.UsedBytes, cache.Statistics));
            }
        }
    }
}
