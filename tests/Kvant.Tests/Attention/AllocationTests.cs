using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Tests.Caching;

namespace Kvant.Tests.Attention;

/// <summary>After the first steps nothing is allocated any more, on no thread of the team.</summary>
public sealed class AllocationTests
{
    // Each step finds what the one before found.
    private const int Steps = 8;
    private const int WarmUps = 12 * Steps;

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

    [Theory, InlineData(1), InlineData(3)]
    public void NoThreadAllocatesInAStepOfManySequencesOrKinds(int threads)
    {
        // A layer with a window, one that shares it with more queries, and a latent one, read where they lie in rows of halves and bfloat16 with gaps.
        CacheGeometry geometry = AttentionCases.Geometry(group: 2, layers: 4).WithLayers((layer, shape) => layer switch
        {
            1 => shape with { SlidingWindow = 100 },
            2 => shape with { SharedLayer = 1, QueryHeads = 6, SlidingWindow = 100 },
            3 => shape with { KvHeads = 1, QueryHeads = 8, KeyDimension = 96, ValuesInKeys = true },
            _ => shape,
        });
        using var team = new WorkerTeam(threads);
        using var attention = new CacheAttention(geometry, team: team) { FewestSharedPairs = 0 };
        foreach (string spec in (string[])["turboquant:bits=4", "q8"])
        {
            const int Sequences = 5, Tokens = 6, Gap = 3;
            KvCache[] caches = [.. Enumerable.Range(0, Sequences).Select(i => CacheSamples.Cache(AttentionCases.Options(geometry, spec) with { DraftTokens = 16 }, 100 * (i + 1)))];
            for (int layer = 0; layer < geometry.Layers; layer++)
            {
                LayerGeometry shape = geometry[layer];
                int at = layer, q = shape.QueryHeads * shape.KeyDimension, k = shape.KvHeads * shape.KeyDimension, v = shape.KvHeads * shape.ValueDimension, o = shape.QueryHeads * shape.ValueDimension;
                Half[] halves = [.. TestRows.Gaussian(1, Tokens * (q + k + v + Gap), seed: layer).Select(x => (Half)x)];
                ushort[] brains = [.. halves.Select(x => (ushort)(BitConverter.SingleToUInt32Bits((float)x) >> 16))];
                float[] outputs = new float[Tokens * o], logSums = new float[Tokens * shape.QueryHeads];
                int stride = q + k + v + Gap;
                int[] parents = [-1, 0, 0, 2, 2, 4], last = [2, 2, 2, 3, 5, 5];
                bool owns = shape.SharedLayer is null;
                TokenRows HalfRows(int start, int width) => new(halves.AsSpan(start, ((Tokens - 1) * stride) + width), stride);
                TokenRows BrainRows(int start, int width) => TokenRows.BFloat16(brains.AsSpan(start, ((Tokens - 1) * stride) + width), stride);
                List<(string Name, Action Step)> steps =
                [
                    ("Decode of halves", () => attention.Decode(caches, at, new(halves.AsSpan(0, ((Sequences - 1) * stride) + q), stride), outputs.AsSpan(0, Sequences * o), logSums.AsSpan(0, Sequences * geometry[at].QueryHeads))),
                    ("Decode of bfloat16", () => attention.Decode(caches, at, TokenRows.BFloat16(brains.AsSpan(0, ((Sequences - 1) * stride) + q), stride), outputs.AsSpan(0, Sequences * o))),
                    ("Prefill of a tree", () => attention.Prefill(caches[3], at, HalfRows(0, q), HalfRows(q, k), geometry[at].ValuesInKeys ? default : HalfRows(q + k, v), outputs, logSums, ChunkMask.Tree(parents), append: false)),
                    ("Prefill until", () =>
                    {
                        attention.Prefill(caches[3], at, BrainRows(0, q), BrainRows(q, k), geometry[at].ValuesInKeys ? default : BrainRows(q + k, v), outputs, logSums, ChunkMask.Until(last), append: owns);
                        caches[3].Truncate(400);
                    }),
                ];
                if (owns)
                {
                    steps.Add(("Append of halves", () =>
                    {
                        caches[3].Append(at, HalfRows(q, k), geometry[at].ValuesInKeys ? default : HalfRows(q + k, v));
                        caches[3].Truncate(400);
                    }
                    ));
                }

                foreach ((string name, Action step) in steps)
                {
                    long bytes = Least(team, step);
                    Assert.True(bytes == 0, $"{spec}, layer {layer}, {threads} threads: {Steps} steps of {name} allocate {bytes} bytes.");
                }
            }

            foreach (KvCache cache in caches)
                cache.Dispose();
        }
    }

    [Theory, InlineData(1), InlineData(3)]
    public void NoThreadAllocatesWhereAPromptClosesBlocks(int threads)
    {
        const int Tokens = 200;
        CacheGeometry geometry = AttentionCases.Geometry(group: 2, keys: 64, values: 64);
        using var team = new WorkerTeam(threads);
        using var attention = new CacheAttention(geometry, team: team);
        using var pool = new PagePool();
        using KvCache cache = CacheSamples.Cache(KvCacheOptions.Preset("balanced", geometry) with { Pool = pool }, tokens: 500);
        (float[] keys, float[] values) = AttentionCases.Rows(geometry, Tokens, seed: 2);
        float[] queries = AttentionCases.Queries(geometry, 1, Tokens), outputs = new float[Tokens * geometry.QueryHeads * 64];
        long bytes = Least(team, () =>
        {
            attention.Prefill(cache, 0, queries, keys, values, outputs);
            cache.Truncate(500);
        });
        Assert.True(bytes == 0, $"{threads} threads: {Steps} prompts allocate {bytes} bytes.");
    }

    // Blocks are encoded while they wait, leave, and begin pages: nothing of it is new once the cache has closed a block, and a fork has nothing to make at all.
    [Fact]
    public void NoAppendOfAPresetAllocates()
    {
        foreach (CachePreset preset in CachePreset.All)
        {
            KvCacheOptions options = KvCacheOptions.Preset(preset.Name, AttentionCases.Geometry(keys: 128, values: 128)) with { Pool = new PagePool() };
            (float[] key, float[] value) = AttentionCases.Rows(options.Geometry, 1, seed: 2);
            CacheSamples.Cache(options, tokens: 1000).Dispose(); // pages
            using KvCache cache = CacheSamples.Cache(options, tokens: 300);
            Append(cache, 64);
            long least = long.MaxValue;
            for (int i = 0; i < 3; i++)
            {
                using KvCache fork = cache.Fork();
                Append(fork, 64); // its scratch, and a table of pages with room
                long before = GC.GetAllocatedBytesForCurrentThread();
                Append(fork, 96);
                least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
            }

            Assert.True(least == 0, $"{preset.Name}: 96 appends allocate {least} bytes.");
            options.Pool.Dispose();

            void Append(KvCache to, int tokens)
            {
                for (int i = 0; i < tokens; i++)
                    to.Append(0, key, value);
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
        // A thread makes its buffers where it gets its first work, which on a busy machine may be late.
        for (int s = 0; s < WarmUps; s++)
            step();
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
