using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Tests.Reference;

namespace Kvant.Tests.Attention;

/// <summary>Parts of a prompt that are not causal: trees of drafts, and parts whose tokens see each other in both directions.</summary>
public sealed class MaskTests
{
    private static readonly AttentionSettings s_exact = new() { Arithmetic = Arithmetic.Exact, Threads = 2 };

    [Theory]
    [InlineData(0, 0)]
    [InlineData(3, 0)]
    [InlineData(300, 0)]
    [InlineData(300, 20)]
    [InlineData(300, 2)]
    public void EachTokenOfATreeSeesItsAncestorsAndTheCache(int cached, int slidingWindow)
    {
        CacheGeometry geometry = AttentionCases.Windowed(AttentionCases.Geometry(group: 3), slidingWindow);
        foreach (int tokens in (int[])[1, 9, 290])
        {
            var random = new Random(tokens);
            int[] parents = [.. Enumerable.Range(0, tokens).Select(i => random.Next(4) == 0 ? random.Next(-1, i) : i - 1)];
            using var cache = new KvCache(AttentionCases.Options(geometry, "turboquant:bits=4"));
            AttentionCases.Append(cache, cached, seed: 1);
            byte[] before = cache.Freeze();
            (float[] keys, float[] values) = AttentionCases.Rows(geometry, tokens, seed: 2);
            float[] queries = AttentionCases.Queries(geometry, 3, tokens), outputs = new float[tokens * geometry.QueryHeads * 64], logSums = new float[tokens * geometry.QueryHeads];
            using var attention = new CacheAttention(geometry, s_exact) { FewestSharedPairs = 0 };
            attention.Prefill(cache, 0, queries, keys, values, outputs, logSums, ChunkMask.Tree(parents), append: false);
            Assert.Equal(before, cache.Freeze());
            for (int token = 0; token < tokens; token += Math.Max(1, tokens / 12))
            {
                List<int> branch = [];
                for (int at = token; at >= 0; at = parents[at])
                    branch.Insert(0, at);
                Check(cache, branch, keys, values, queries, token, outputs, logSums, $"{cached} cached, token {token} of {tokens}, window {slidingWindow}");
            }
        }
    }

    [Fact]
    public void BranchThatIsAppendedLeavesTheSameBytesAsTokensAlone()
    {
        CacheGeometry geometry = AttentionCases.Geometry();
        using var drafted = new KvCache(AttentionCases.Options(geometry, "turboquant:bits=4"));
        using var alone = new KvCache(AttentionCases.Options(geometry, "turboquant:bits=4"));
        AttentionCases.Append(drafted, 200, seed: 1);
        AttentionCases.Append(alone, 200, seed: 1);
        (float[] keys, float[] values) = AttentionCases.Rows(geometry, 4, seed: 2);
        using var attention = new CacheAttention(geometry);
        attention.Prefill(drafted, 0, AttentionCases.Queries(geometry, 3, 4), keys, values, new float[4 * 4 * 64], mask: ChunkMask.Tree([-1, 0, 0, 2]), append: false);
        foreach (int token in (int[])[0, 2, 3])
        {
            drafted.Append(0, keys.AsSpan(token * 128, 128), values.AsSpan(token * 128, 128));
            alone.Append(0, keys.AsSpan(token * 128, 128), values.AsSpan(token * 128, 128));
        }

        Assert.Equal(alone.Freeze(), drafted.Freeze());
    }

    // A tree of one branch is a sequence: what the eviction forgets on the way is gone for it too, but the sinks.
    [Theory]
    [InlineData(0, 0)]
    [InlineData(2, 0)]
    [InlineData(30, 0)]
    [InlineData(30, 3)]
    public void EvictionForgetsWithinATreeToo(int cached, int slidingWindow)
    {
        CacheGeometry geometry = AttentionCases.Windowed(AttentionCases.Geometry(group: 3), slidingWindow);
        using var cache = new KvCache(AttentionCases.Options(geometry, "fp16") with { Eviction = new Eviction.Newest(5) });
        AttentionCases.Append(cache, cached, seed: 1);
        (float[] keys, float[] values) = AttentionCases.Rows(geometry, 12, seed: 2);
        float[] queries = AttentionCases.Queries(geometry, 3, 12), tree = new float[12 * geometry.QueryHeads * 64], causal = new float[tree.Length];
        using var attention = new CacheAttention(geometry, s_exact);
        attention.Prefill(cache, 0, queries, keys, values, tree, mask: ChunkMask.Tree([.. Enumerable.Range(-1, 12)]), append: false);
        attention.Prefill(cache, 0, queries, keys, values, causal, append: false);
        AttentionCases.AssertOutput([.. causal.Select(x => (double)x)], tree, $"{cached} cached, window {slidingWindow}");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(40)]
    [InlineData(int.MaxValue)]
    public void PartsSeeEachOtherInBothDirections(int slidingWindow)
    {
        CacheGeometry geometry = AttentionCases.Windowed(AttentionCases.Geometry(group: 2), slidingWindow);
        // Text, an image of 150 tokens, text.
        int[] last = [.. Enumerable.Range(0, 300).Select(i => i is >= 20 and < 170 ? 169 : i)];
        using var cache = new KvCache(AttentionCases.Options(geometry, "turboquant:bits=4"));
        AttentionCases.Append(cache, 130, seed: 1);
        (float[] keys, float[] values) = AttentionCases.Rows(geometry, 300, seed: 2);
        float[] queries = AttentionCases.Queries(geometry, 3, 300), outputs = new float[300 * geometry.QueryHeads * 64], logSums = new float[300 * geometry.QueryHeads];
        using (KvCache fork = cache.Fork())
        using (var attention = new CacheAttention(geometry, s_exact) { FewestSharedPairs = 0 })
            attention.Prefill(fork, 0, queries, keys, values, outputs, logSums, ChunkMask.Until(last));
        for (int token = 0; token < 300; token += 17)
            Check(cache, [.. Enumerable.Range(0, last[token] + 1)], keys, values, queries, token, outputs, logSums, $"token {token}, window {slidingWindow}");
    }

    [Fact]
    public void MasksThatDoNotFitAreRefused()
    {
        CacheGeometry geometry = AttentionCases.Geometry();
        using var cache = new KvCache(AttentionCases.Options(geometry, "fp16"));
        using var attention = new CacheAttention(geometry);
        using var sloped = new CacheAttention(geometry, new AttentionSettings { Slopes = [1, 2, 3, 4] });
        float[] queries = new float[2 * 4 * 64], rows = new float[2 * 128], outputs = new float[2 * 4 * 64];
        void Refused(int[] numbers, bool tree, bool append, CacheAttention by) => Assert.Throws<ArgumentException>(
            () => by.Prefill(cache, 0, queries, rows, rows, outputs, mask: tree ? ChunkMask.Tree(numbers) : ChunkMask.Until(numbers), append: append));
        Refused([-1, 0, 1], true, false, attention);
        Refused([-1, 1], true, false, attention);
        Refused([-2, 0], true, false, attention);
        Refused([0, 2], false, true, attention);
        Refused([0, 0], false, true, attention);
        Refused([-1, 0], true, true, attention);
        Refused([-1, 0], true, false, sloped);
        rows[3] = float.NaN;
        Refused([-1, 0], true, false, attention);
        Assert.Equal(0, cache.Length);
    }

    // Against double precision over the cached rows and some of the part's, which stand one behind the other; the query is that of the last position unless it is in the middle.
    private static void Check(KvCache cache, List<int> seen, float[] keys, float[] values, float[] queries, int token, float[] outputs, float[] logSums, string what)
    {
        CacheGeometry g = cache.Geometry;
        int position = cache.Length + seen.IndexOf(token);
        for (int head = 0; head < g.QueryHeads; head++)
        {
            List<CacheAttentionReference.Row> rows = CacheAttentionReference.Rows(cache, 0, head / g.GroupSize);
            foreach ((int i, int other) in seen.Index())
            {
                // Those behind the query are seen as if they stood where it stands.
                int row = (other * g.KvHeads) + (head / g.GroupSize), at = Math.Min(cache.Length + i, position);
                rows.Add(new(at, keys[(row * 64)..((row + 1) * 64)], values[(row * 64)..((row + 1) * 64)]));
            }

            int query = (token * g.QueryHeads) + head;
            (double[] expected, double logSum) = CacheAttentionReference.Attend(rows, queries.AsSpan(query * 64, 64), position, head, s_exact, 64, g[0].SlidingWindow);
            AttentionCases.AssertOutput(expected, outputs.AsSpan(query * 64, 64), $"{what}, head {head}");
            Assert.Equal(logSum, logSums[query], Tolerances.LogSumExp * Math.Max(1, Math.Abs(logSum)));
        }
    }
}
