using Kvant.Attention;
using Kvant.Caching;

namespace Kvant.Tests.Attention;

/// <summary>An attention takes one call at a time: a second one is refused and the first one's answer is right.</summary>
public sealed class OneCallTests
{
    private const int Tokens = 40;
    private static readonly CacheGeometry s_geometry = AttentionCases.Geometry();

    public static TheoryData<string, string> Pairs
    {
        get
        {
            string[] calls = [nameof(CacheAttention.Decode), nameof(CacheAttention.Prefill), nameof(CacheAttention.Logits)];
            var pairs = new TheoryData<string, string>();
            foreach (string first in calls)
            {
                foreach (string second in calls)
                    pairs.Add(first, second);
            }

            return pairs;
        }
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void SecondCallIsRefusedAndTheFirstAnswerIsRight(string first, string second)
    {
        using var attention = new CacheAttention(s_geometry);
        using KvCache other = Cache();
        float[] answer = [];
        Exception? refused = null;
        WhileACallWaits(attention, first, a => answer = a, caller =>
        {
            // Calls on another cache go through until the first call has begun.
            Patience.Until(() => (refused = Record.Exception(() => Call(attention, other, second, seed: 2))) is not null || !caller.IsAlive, "a second call is refused");
            return () => { };
        });
        Assert.Contains("one at a time", Assert.IsType<InvalidOperationException>(refused).Message, StringComparison.Ordinal);
        Assert.Equal(Wanted(first), answer);
        Assert.Equal(Wanted(second), Call(attention, Cache(), second, seed: 1));
    }

    [Fact]
    public void DisposeWaitsForTheCallInProgress()
    {
        foreach (string kind in (string[])[nameof(CacheAttention.Decode), nameof(CacheAttention.Prefill), nameof(CacheAttention.Logits)])
        {
            var attention = new CacheAttention(s_geometry, new() { Threads = 2 }) { FewestSharedPairs = 0 };
            using KvCache other = Cache();
            float[] answer = [];
            WhileACallWaits(attention, kind, a => answer = a, caller =>
            {
                Patience.Until(() => Record.Exception(() => Call(attention, other, kind, seed: 2)) is not null || !caller.IsAlive, "the call has begun");
                Patience.Job end = Patience.Start(attention.Dispose);
                end.AssertWaits("Dispose during a call");
                return () => end.AssertEnds("Dispose after the call");
            });
            Assert.Equal(Wanted(kind), answer);
            Assert.Throws<ObjectDisposedException>(() => Call(attention, other, kind, seed: 2));
        }
    }

    [Fact]
    public void ManyThreadsGetRightAnswersOrRefusals()
    {
        using var attention = new CacheAttention(s_geometry, new() { Threads = 2 }) { FewestSharedPairs = 0 };
        using KvCache cache = Cache();
        float[] wanted = Wanted(nameof(CacheAttention.Decode));
        int right = 0;
        Patience.Job[] jobs = [.. Enumerable.Range(0, 3).Select(_ => Patience.Start(() =>
        {
            for (int i = 0; i < 100; i++)
            {
                float[] answer = new float[wanted.Length];
                try
                {
                    attention.Decode(cache, 0, AttentionCases.Queries(s_geometry, 1), answer);
                }
                catch (InvalidOperationException)
                {
                    continue;
                }

                Assert.Equal(wanted, answer);
                Interlocked.Increment(ref right);
            }
        }))];
        Assert.All(jobs, job => job.AssertEnds("calls of many threads"));
        Assert.InRange(right, 1, 300);
    }

    // A call begins, and waits for the cache's lock: a writer waits for a reader, and who comes later waits for the writer.
    private static void WhileACallWaits(CacheAttention attention, string kind, Action<float[]> answer, Func<Patience.Job, Action> meanwhile)
    {
        using KvCache cache = Cache();
        using var reading = new ManualResetEventSlim();
        using var open = new ManualResetEventSlim();
        Patience.Job reader = Patience.Start(() => cache.Read((reading, open), static (_, gates) =>
        {
            gates.reading.Set();
            gates.open.Wait();
        }));
        reading.Wait(TestContext.Current.CancellationToken);
        Patience.Job writer = Patience.Start(() => cache.Truncate(Tokens));
        Patience.Until(() => cache.WaitingWrites == 1, "a writer waits for a reader");
        // It may find one of the calls on another cache in progress; then it comes again.
        Patience.Job caller = Patience.Start(() => Patience.Until(
            () => Record.Exception(() => answer(Call(attention, cache, kind, seed: 1))) is not InvalidOperationException, "the first call begins"));
        Action after = meanwhile(caller);
        open.Set();
        reader.AssertEnds("the reader");
        writer.AssertEnds("the writer");
        caller.AssertEnds("the first call");
        after();
    }

    private static float[] Wanted(string kind)
    {
        using var attention = new CacheAttention(s_geometry);
        using KvCache cache = Cache();
        return Call(attention, cache, kind, seed: 1);
    }

    private static KvCache Cache()
    {
        var cache = new KvCache(AttentionCases.Options(s_geometry, "fp16"));
        AttentionCases.Append(cache, Tokens, seed: 1);
        return cache;
    }

    private static float[] Call(CacheAttention attention, KvCache cache, string kind, int seed)
    {
        float[] queries = AttentionCases.Queries(s_geometry, seed);
        float[] answer = new float[s_geometry.QueryHeads * (kind == nameof(CacheAttention.Logits) ? Tokens : s_geometry.ValueDimension)];
        switch (kind)
        {
            case nameof(CacheAttention.Decode):
                attention.Decode(cache, 0, queries, answer);
                break;
            case nameof(CacheAttention.Logits):
                attention.Logits(cache, 0, queries, answer);
                break;
            default:
                (float[] keys, float[] values) = AttentionCases.Rows(s_geometry, 1, seed);
                attention.Prefill(cache, 0, queries, keys, values, answer);
                cache.Truncate(Tokens);
                break;
        }

        return answer;
    }
}
