using Kvant.Attention;
using Kvant.Caching;
using Kvant.Formats;
using Kvant.Tests.Attention;
using Kvant.Tests.Reference;

namespace Kvant.Gpu.Tests;

/// <summary>Many sequences in one call are answered as each alone; prompts as on the processor.</summary>
public sealed class SequencesTests
{
    private static readonly CacheGeometry s_geometry = AttentionCases.Geometry(kvHeads: 2, group: 3);

    [Fact]
    public void ManySequencesOfEveryLengthAndCodec()
    {
        using var attention = new GpuAttention(GpuCases.Device, s_geometry);
        (string Keys, string Values)[] codecs = [("turboquant:bits=4", "turboquant:bits=4"), ("q8:frame=balanced", "q8"), ("turboquant:bits=2,code=trellis,mean=32", "turboquant:bits=2")];
        int[] lengths = [0, 700, 1, 40, 260, 700, 130];
        List<(KvCache Cache, GpuKvCache Copy)> all = [.. lengths.Select((length, i) => GpuCases.Filled(s_geometry, codecs[i % 3].Keys, codecs[i % 3].Values, length, seed: i))];
        int width = s_geometry.QueryHeads * 64;
        float[] queries = AttentionCases.Queries(s_geometry, 4, lengths.Length), together = new float[lengths.Length * width], alone = new float[width];
        float[] sums = new float[lengths.Length * s_geometry.QueryHeads], sumsAlone = new float[s_geometry.QueryHeads];
        attention.Decode([.. all.Select(a => a.Copy)], 0, queries, together, sums);
        for (int i = 0; i < lengths.Length; i++)
        {
            attention.Decode(all[i].Copy, 0, queries.AsSpan(i * width, width), alone, sumsAlone);
            GpuCases.AssertOutput([.. alone.Select(x => (double)x)], together.AsSpan(i * width, width), $"sequence {i}");
            Assert.All(sumsAlone.Zip(sums.Skip(i * s_geometry.QueryHeads)), pair => Assert.True(pair.First == pair.Second || Math.Abs(pair.First - pair.Second) < 1e-5));
            Assert.Equal(lengths[i] == 0, alone.All(x => x == 0));
        }

        foreach ((KvCache cache, GpuKvCache copy) in all)
        {
            copy.Dispose();
            cache.Dispose();
        }
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(3, 0)]
    [InlineData(40, 130)]
    [InlineData(300, 200)]
    public void PromptIsExactAmongItsTokens(int tokens, int before)
    {
        (KvCache cache, GpuKvCache copy) = GpuCases.Filled(AttentionCases.Windowed(s_geometry, 220), "turboquant:bits=4,mean=32,frame=balanced", "turboquant:bits=3,code=trellis", before);
        using (cache)
        using (copy)
        using (KvCache other = cache.Fork())
        {
            CacheGeometry g = cache.Geometry;
            var settings = new AttentionSettings { SinkLogits = [0, 1, 2, 3, 4, 5] };
            (float[] keys, float[] values) = AttentionCases.Rows(g, tokens, 6);
            float[] queries = AttentionCases.Queries(g, 7, tokens), outputs = new float[tokens * g.QueryHeads * 64], sums = new float[tokens * g.QueryHeads];
            List<CacheAttentionReference.Row>[] rows = [.. Enumerable.Range(0, 2).Select(head => CacheAttentionReference.Rows(cache, 0, head))];
            for (int i = 0; i < tokens * 2; i++)
                rows[i % 2].Add(new(before + (i / 2), keys[(i * 64)..((i + 1) * 64)], values[(i * 64)..((i + 1) * 64)]));
            using var attention = new GpuAttention(copy.Device, g, settings);
            attention.Prefill(copy, 0, queries, keys, values, outputs, sums);
            for (int q = 0; q < sums.Length; q++)
            {
                (double[] expected, double logSum) = CacheAttentionReference.Attend(rows[q % 6 / 3], queries.AsSpan(q * 64, 64), before + (q / 6), q % 6, settings, 64, 220);
                GpuCases.AssertOutput(expected, outputs.AsSpan(q * 64, 64), $"query {q}");
                Assert.True(Math.Abs(logSum - sums[q]) <= GpuTolerances.Output / 4 * Math.Max(1, Math.Abs(logSum)), $"query {q}: {sums[q]}, expected {logSum}.");
            }

            // The same bytes as the processor's own prompt leaves.
            using var reference = new CacheAttention(g, settings);
            reference.Prefill(other, 0, queries, keys, values, new float[outputs.Length]);
            Assert.Equal(other.Freeze(), cache.Freeze());
        }
    }

    [Fact]
    public void PartsMaySeeEachOtherInBothDirections()
    {
        (KvCache cache, GpuKvCache copy) = GpuCases.Filled(s_geometry, "turboquant:bits=4", "turboquant:bits=4", 50);
        using (cache)
        using (copy)
        {
            (float[] keys, float[] values) = AttentionCases.Rows(s_geometry, 6, 6);
            float[] queries = AttentionCases.Queries(s_geometry, 7, 6), outputs = new float[6 * 6 * 64], expected = new float[outputs.Length];
            int[] last = [0, 3, 3, 3, 4, 5];
            using var attention = new GpuAttention(copy.Device, s_geometry);
            attention.Prefill(copy, 0, queries, keys, values, outputs, [], ChunkMask.Until(last), append: false);
            using var reference = new CacheAttention(s_geometry, new AttentionSettings { Arithmetic = Codecs.Arithmetic.Exact });
            reference.Prefill(cache, 0, queries, keys, values, expected, [], ChunkMask.Until(last), append: false);
            GpuCases.AssertOutput([.. expected.Select(x => (double)x)], outputs, "an image");
            Assert.Equal(50, cache.Length);
            var refused = Assert.Throws<NotSupportedException>(() => attention.Prefill(copy, 0, queries, keys, values, outputs, [], ChunkMask.Tree([-1, 0, 0, 1, 1, 2]), append: false));
            Assert.Contains("Trees", refused.Message, StringComparison.Ordinal);
        }
    }
}
