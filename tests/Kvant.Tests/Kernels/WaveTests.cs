using Kvant.Kernels;
using Kvant.Numerics;

namespace Kvant.Tests.Kernels;

/// <summary>Sums of waves over a page, and sums of segments, at every width, against double precision.</summary>
[Collection(Widths.Name)]
[Trait(Widths.Trait, "width")]
public sealed class WaveTests
{
    // All fast, all slow, both, and what does not turn; a number of pairs that fills no register.
    public static TheoryData<double[]> Speeds => new(
        [3, 2, 1],
        [0.07, 0.01, 0.001, 0],
        [.. Enumerable.Range(0, 32).Select(i => Math.Pow(10_000, -i / 32.0))],
        [.. Enumerable.Range(0, 45).Select(i => Math.Pow(1_000_000, -i / 45.0))]);

    [Theory]
    [MemberData(nameof(Speeds))]
    public void SumsOfWavesAreThoseOfTheirRowsAtEveryWidth(double[] speeds)
    {
        var table = new WaveTable(speeds, PortableMath.SinCos);
        const double middle = (3 * WaveTable.PageRows) + WaveTable.Middle;
        float[] turns = new float[2 * table.Pairs];
        for (int i = 0; i < speeds.Length; i++)
            (turns[i], turns[table.Pairs + i]) = ((float)Math.Cos(middle * speeds[i]), (float)Math.Sin(middle * speeds[i]));
        foreach (int queries in (ReadOnlySpan<int>)[1, 2, 3, 4, 7])
        {
            // Rows of a longer run of scores, and something behind each query's numbers.
            int stride = (2 * table.Pairs) + 5, scoreStride = WaveTable.PageRows + 32;
            float[] numbers = TestRows.Gaussian(queries, stride, seed: 1), before = TestRows.Gaussian(queries, scoreStride, seed: 2);
            for (int i = 0; i < numbers.Length; i++)
                numbers[i] *= i % stride % table.Pairs < speeds.Length ? 1 : 0;
            foreach (float[] found in Widths.AtEach(() =>
            {
                float[] scores = [.. before];
                WaveSums.Add(table, turns, numbers, stride, queries, scores, scoreStride, new float[WaveSums.ScratchLength(table, queries)]);
                return scores;
            }))
            {
                for (int i = 0; i < found.Length; i++)
                {
                    int query = i / scoreStride, row = i % scoreStride;
                    double expected = before[i], size = Math.Abs(before[i]);
                    for (int p = 0; p < speeds.Length && row < WaveTable.PageRows; p++)
                    {
                        double a = numbers[(query * stride) + p], b = numbers[(query * stride) + table.Pairs + p], angle = ((3 * WaveTable.PageRows) + row) * speeds[p];
                        expected += (a * Math.Cos(angle)) + (b * Math.Sin(angle));
                        size += Math.Abs(a) + Math.Abs(b);
                    }

                    Assert.True(Math.Abs(found[i] - expected) <= Tolerances.FloatSum * size, $"query {query} of {queries}, row {row}: {found[i]}, expected {expected}");
                }
            }
        }
    }

    [Theory]
    [InlineData(32)]
    [InlineData(64)]
    [InlineData(128)]
    public void SegmentsAreSummedAndRaisedAtEveryWidth(int length)
    {
        for (int count = 0; count < 10; count++)
        {
            float[] numbers = TestRows.Gaussian(count, length, seed: 3), addends = TestRows.Gaussian(1, count, seed: 4);
            float[] expected = [.. numbers.Select((x, i) => x + addends[i / length])];
            foreach ((float[] sums, float[] raised) in Widths.AtEach(() =>
            {
                float[] sums = new float[count], raised = [.. numbers];
                Segments.Sum(numbers, length, sums);
                Segments.Add(raised, length, addends);
                return (sums, raised);
            }))
            {
                Assert.Equal(expected, raised);
                for (int i = 0; i < count; i++)
                    Assert.Equal(numbers.Skip(i * length).Take(length).Sum(x => (double)x), sums[i], Tolerances.FloatSum * length);
            }
        }
    }
}
