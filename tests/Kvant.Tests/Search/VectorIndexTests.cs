using Kvant.Attention;
using Kvant.Codecs;
using Kvant.Search;

namespace Kvant.Tests.Search;

/// <summary>An index is what its codec makes of the vectors, however they came and whoever searches.</summary>
public sealed class VectorIndexTests
{
    private const int Dimension = 128;

    [Theory]
    [MemberData(nameof(CodecCases.SpecsOfDimension128), MemberType = typeof(CodecCases))]
    public void ScoresAreThoseOfWhatIsStored(string spec)
    {
        foreach (int count in (int[])[0, 1, 31, 32, 33, 300])
        {
            using VectorIndex index = Filled(spec, TestRows.Gaussian(count, Dimension, seed: 5), parts: 1, Arithmetic.Exact);
            float[] stored = new float[count * Dimension], queries = TestRows.Gaussian(3, Dimension, seed: 6), scores = new float[3 * count];
            index.Decode(0, stored);
            index.Score(queries, scores);
            for (int i = 0; i < scores.Length; i++)
            {
                ReadOnlySpan<float> query = queries.AsSpan(i / count * Dimension, Dimension), vector = stored.AsSpan(i % count * Dimension, Dimension);
                Assert.Equal(Measure.Dot(query, vector), scores[i], Tolerances.Attention * Measure.Norm(query) * Measure.Norm(vector) + 1e-30);
            }

            Assert.Equal(count, index.Count);
        }
    }

    [Theory]
    [InlineData("turboquant:bits=4")]
    [InlineData("turboquant:code=trellis,bits=3")]
    [InlineData("q8_0")]
    [InlineData("kivi:bits=4")]
    [InlineData("outlier")]
    public void PartsMakeNoDifference(string spec) => Fresh.Each($"{nameof(PartsMakeNoDifference)} {spec}", 3, seed =>
    {
        float[] vectors = TestRows.Gaussian(700, Dimension, seed);
        using VectorIndex whole = Filled(spec, vectors, parts: 1, Arithmetic.Fast), split = Filled(spec, vectors, parts: 60 + (seed % 7), Arithmetic.Fast);
        float[] a = new float[vectors.Length], b = new float[vectors.Length];
        whole.Decode(0, a);
        split.Decode(0, b);
        Assert.Equal(a, b);
        Assert.Equal(whole.Bytes, split.Bytes);
        Assert.InRange(Measure.Nmse(vectors, a), 0, 0.2); // zeros have 1, the coarsest of these .14
        // Any part can be read alone.
        split.Decode(333, b.AsSpan(0, 40 * Dimension));
        Assert.Equal(a.AsSpan(333 * Dimension, 40 * Dimension), b.AsSpan(0, 40 * Dimension));
    });

    [Theory]
    [InlineData(1, 10)]
    [InlineData(3, 1)]
    [InlineData(2, 5000)]
    public void TheBestAreThoseOfASort(int threads, int wanted)
    {
        // Several pieces, more queries than go together, many equal scores.
        float[] vectors = TestRows.Gaussian(4500, Dimension, seed: 7), queries = TestRows.Gaussian(11, Dimension, seed: 8);
        vectors.AsSpan(0, 700 * Dimension).CopyTo(vectors.AsSpan(3000 * Dimension));
        using var team = new WorkerTeam(threads);
        using VectorIndex index = Filled("turboquant:bits=4", vectors, parts: 3, Arithmetic.Fast);
        float[] scores = new float[11 * 4500];
        index.Score(queries, scores, team);
        var best = new ScoredVector[11 * wanted];
        index.Search(queries, best, team);
        for (int q = 0; q < 11; q++)
        {
            ScoredVector[] sorted = [.. scores.Skip(q * 4500).Take(4500).Select((s, i) => new ScoredVector(i, s)).OrderByDescending(v => v.Score).ThenBy(v => v.Index).Take(wanted)];
            Assert.Equal(sorted, best[(q * wanted)..][..sorted.Length]);
            Assert.All(best[((q * wanted) + sorted.Length)..((q + 1) * wanted)], v => Assert.Equal(-1, v.Index));
            Assert.Equal(sorted, index.Search(queries.AsSpan(q * Dimension, Dimension), wanted));
        }
    }

    [Fact]
    public void ManyThreadsSearchAtOnce()
    {
        float[] vectors = TestRows.Gaussian(3000, Dimension, seed: 9);
        using VectorIndex index = Filled("turboquant:bits=4", vectors, parts: 1, Arithmetic.Fast);
        int[] alone = [.. Enumerable.Range(0, 64).Select(i => Best(i))];
        Assert.Equal(alone, Enumerable.Range(0, 64).AsParallel().AsOrdered().Select(Best));
        Assert.Equal(Enumerable.Range(0, 64).Select(i => i * 45), alone);
        int Best(int i) => index.Search(vectors.AsSpan(i * 45 * Dimension, Dimension), 3)[0].Index;
    }

    [Fact]
    public void RefusedVectorsLeaveNothing()
    {
        using VectorIndex index = Filled("turboquant:bits=4", TestRows.Gaussian(40, Dimension, seed: 10), parts: 1, Arithmetic.Fast);
        float[] bad = TestRows.Gaussian(40, Dimension, seed: 11), before = new float[40 * Dimension], after = new float[40 * Dimension];
        index.Decode(0, before);
        foreach (float number in (float[])[float.NaN, float.PositiveInfinity, 3e38f])
        {
            bad[(37 * Dimension) + 5] = number;
            Assert.Contains("Vector 37", Assert.Throws<ArgumentException>(() => index.Add(bad)).Message, StringComparison.Ordinal);
        }

        Assert.Throws<ArgumentException>(() => index.Add(new float[5]));
        Assert.Throws<ArgumentException>(() => index.Score(new float[Dimension], new float[39]));
        Assert.Throws<ArgumentException>(() => index.Search(new float[2 * Dimension], new ScoredVector[3]));
        bad[5] = float.NaN;
        Assert.Throws<ArgumentException>(() => index.Search(bad.AsSpan(0, Dimension), 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => index.Decode(30, new float[11 * Dimension]));
        Assert.Throws<ArgumentOutOfRangeException>(() => index.Decode(int.MaxValue, new float[Dimension]));
        index.Decode(0, after);
        Assert.Equal(before, after);
        Assert.Equal(40, index.Count);
    }

    [Fact]
    public void BytesAreThoseOfBlocksAndOfWhatWaits()
    {
        using VectorIndex index = Filled("turboquant:bits=4", TestRows.Gaussian(100, Dimension, seed: 12), parts: 1, Arithmetic.Fast);
        Assert.Equal((96 * 66) + (4 * Dimension * sizeof(float)), index.Bytes);
        index.Dispose();
        index.Dispose();
        Assert.Throws<ObjectDisposedException>(() => index.Add(new float[Dimension]));
        Assert.Throws<ObjectDisposedException>(() => index.Search(new float[Dimension], new ScoredVector[1]));
    }

    [Fact]
    public void SearchingAllocatesNothing()
    {
        using VectorIndex index = Filled("turboquant:bits=4", TestRows.Gaussian(3000, Dimension, seed: 13), parts: 1, Arithmetic.Fast);
        float[] queries = TestRows.Gaussian(4, Dimension, seed: 14);
        var best = new ScoredVector[40];
        for (int i = 0; i < 3; i++)
            index.Search(queries, best);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
            index.Search(queries, best);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static VectorIndex Filled(string spec, float[] vectors, int parts, Arithmetic arithmetic)
    {
        var index = new VectorIndex(CodecSpec.Parse(spec), Dimension, arithmetic);
        int count = vectors.Length / Dimension;
        for (int part = 0; part < parts; part++)
            index.Add(vectors.AsSpan((count * part / parts * Dimension)..(count * (part + 1) / parts * Dimension)));
        return index;
    }
}
