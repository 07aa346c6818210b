using Kvant.Evaluation.Sources;
using Kvant.Evaluation.Tests.Support;

namespace Kvant.Evaluation.Tests.Sources;

public sealed class SourceTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(128)]
    public void UnitVectorsHaveLengthOneAndFollowTheSeed(int dimension)
    {
        float[] rows = RandomVectors.Unit(50, dimension, 5);
        for (int i = 0; i < rows.Length; i += dimension)
            Assert.Equal(1, rows.AsSpan(i, dimension).ToArray().Sum(x => (double)x * x), 5);
        Assert.Equal(rows, RandomVectors.Unit(50, dimension, 5));
        Assert.NotEqual(rows, RandomVectors.Unit(50, dimension, 6));
    }

    [Fact]
    public void NormalNumbersHaveTheirMoments()
    {
        const ulong seed = 12;
        float[] x = RandomVectors.Normal(1000, 101, seed);
        double n = x.Length, mean = x.Average(v => (double)v), variance = x.Average(v => (double)v * v), fourth = x.Average(v => Math.Pow(v, 4));
        // Five standard errors: 1, sqrt(2) and sqrt(96) over sqrt(n).
        Assert.True(Math.Abs(mean) < 5 / Math.Sqrt(n), $"mean {mean}, seed {seed}");
        Assert.True(Math.Abs(variance - 1) < 5 * Math.Sqrt(2 / n), $"variance {variance}, seed {seed}");
        Assert.True(Math.Abs(fourth - 3) < 5 * Math.Sqrt(96 / n), $"fourth moment {fourth}, seed {seed}");
    }

    [Fact]
    public void HeadsAreReadFromTheirPlace()
    {
        MemoryTrace trace = Synthetic.Trace();
        float[] all = RandomVectors.Normal(2 * 20, 6, 3000 + 1 + 200), head = new float[20 * 6];
        trace.ReadValues(1, 1, head);
        Assert.Equal(all[(20 * 6)..], head);
    }

    [Fact]
    public void WrongShapesAreRefused()
    {
        MemoryTrace good = Synthetic.Trace(queryHeads: 0);
        Assert.Throws<InvalidOperationException>(() => good.ReadQueries(0, 0, new float[160]));
        float[] keys = new float[2 * 20 * 8], values = new float[2 * 20 * 6];
        Assert.Contains("319", Assert.Throws<ArgumentException>(() =>
            new MemoryTrace(good.Geometry, 20, [keys, keys[1..]], [values, values])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new MemoryTrace(good.Geometry, 20, [keys], [values, values]));
        Assert.Throws<ArgumentException>(() => new MemoryTrace(good.Geometry, 20, [keys, keys], [values, values], [keys, keys], 3));
        Assert.Throws<ArgumentException>(() => new MemoryTrace(good.Geometry, 20, [keys, keys], [values, values], null, 2));
    }
}
