using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Tests.Attention;

/// <summary>After the first steps nothing is allocated any more, on no thread of the team.</summary>
public sealed class AllocationTests
{
    // Each step finds what the one before found.
    private const int Steps = 8;

    [Theory, InlineData(1), InlineData(2), InlineData(3)]
    public void NoThreadAllocatesInAStep(int threads)
    {
        CacheGeometry geometry = AttentionCases.Geometry(group: 4, keys: 128, values: 128);
        using var team = new WorkerTeam(threads);
        foreach (string spec in (string[])["turboquant:bits=4", "turboquant:bits=3,code=trellis", "fp32", "fp16", "q8", "kivi:bits=2", "outlier:bits=2"])
        {
            foreach (Arithmetic arithmetic in (Arithmetic[])[Arithmetic.Exact, Arithmetic.Fast])
            {
                using var cache = new KvCache(AttentionCases.Options(geometry, spec));
                AttentionCases.Append(cache, 500, seed: 8);
                using var attention = new CacheAttention(geometry, new() { Arithmetic = arithmetic }, team) { FewestSharedPairs = 0 };
                (float[] keys, float[] values) = AttentionCases.Rows(geometry, 4, seed: 2);
                float[] queries = AttentionCases.Queries(geometry, 1, tokens: 4), outputs = new float[4 * geometry.QueryHeads * 128];
                float[] logits = new float[geometry.QueryHeads * 500], logSums = new float[geometry.QueryHeads];
                int one = queries.Length / 4, oneKey = keys.Length / 4, oneOutput = outputs.Length / 4;
                (string Name, Action Step)[] steps =
                [
                    ("Decode", () => attention.Decode(cache, 0, queries.AsSpan(0, one), outputs.AsSpan(0, oneOutput), logSums)),
                    ("Logits", () => attention.Logits(cache, 0, queries.AsSpan(0, one), logits)),
                    ("Prefill", () =>
                    {
                        attention.Prefill(cache, 0, queries, keys, values, outputs);
                        cache.Truncate(500);
                    }),
                    ("Append", () =>
                    {
                        cache.Append(0, keys.AsSpan(0, oneKey), values.AsSpan(0, oneKey));
                        cache.Truncate(500);
                    }),
                ];
                foreach ((string name, Action step) in steps)
                {
                    long bytes = Least(team, step);
                    Assert.True(bytes == 0, $"{spec}, {arithmetic}, {threads} threads: {Steps} steps of {name} allocate {bytes} bytes.");
                }
            }
        }
    }

    [Fact]
    public void AllocationsOfEveryThreadAreSeen()
    {
        using var team = new WorkerTeam(3);
        for (int culprit = 0; culprit < 3; culprit++)
            Assert.True(Least(team, () => team.Run(worker => GC.KeepAlive(worker == culprit ? new byte[1000] : null))) >= 1000 * Steps);
    }

    // What all threads of the team allocate in some steps. The least of several tries: the runtime itself allocates now and then.
    private static long Least(WorkerTeam team, Action step)
    {
        long[] bytes = new long[team.Size];
        Action<int> begin = worker => bytes[worker] = GC.GetAllocatedBytesForCurrentThread();
        Action<int> end = worker => bytes[worker] = GC.GetAllocatedBytesForCurrentThread() - bytes[worker];
        long least = long.MaxValue;
        for (int i = 0; i < 4 && least > 0; i++)
        {
            team.Run(begin);
            for (int s = 0; s < Steps; s++)
                step();
            team.Run(end);
            least = Math.Min(least, bytes.Sum());
        }

        return least;
    }
}
