using Kvant.Attention;
using Kvant.Caching;
using Kvant.Formats;

namespace Kvant.Tests.Caching;

/// <summary>A codec that fails in the middle of a call leaves the cache as it was, and the next call works.</summary>
public sealed class CacheFailureTests
{
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
    private static int EveryFailure(int tokens, int length, Action<KvCache> call)
    {
        using var pool = new PagePool();
        KvCacheOptions options = CacheSamples.Options("fp16", layers: 2, pool: pool) with { Policy = [new(FailingCodec.Spec, FailingCodec.Spec), new(FailingCodec.Spec, FailingCodec.Spec)] };
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
