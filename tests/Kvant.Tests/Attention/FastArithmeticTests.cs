using System.Collections.Concurrent;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Tests.Attention;

/// <summary>Integer arithmetic in the whole of attention adds little to what the codes lose.</summary>
public sealed class FastArithmeticTests
{
    private const int Steps = 48;

    // The answers that all specs of a shape are held to.
    private static readonly ConcurrentDictionary<(int Dimension, int Group, double LogitDeviation), float[][]> s_truths = new();

    [Theory]
    [InlineData("turboquant:bits=4", 128, 4, 1)]
    [InlineData("turboquant:bits=4", 128, 4, 2)]
    [InlineData("turboquant:bits=4", 64, 1, 1)]
    [InlineData("turboquant:bits=3", 128, 4, 1)]
    [InlineData("turboquant:bits=2", 128, 4, 1)]
    [InlineData("turboquant:bits=4,group=32", 128, 4, 1)]
    [InlineData("turboquant:bits=3,mean=32", 128, 4, 1)]
    [InlineData("turboquant:bits=4,mean=128,meanbits=8", 128, 4, 1)]
    [InlineData("turboquant:bits=3,mean=head", 128, 4, 1)]
    [InlineData("kivi:bits=4", 128, 4, 1)]
    [InlineData("q4_0", 128, 4, 1)]
    [InlineData("q8", 128, 4, 1)]
    public void OutputErrorStaysWithinTheBudget(string spec, int dimension, int group, double logitDeviation)
    {
        CacheGeometry geometry = AttentionCases.Geometry(kvHeads: 2, group: group, keys: dimension, values: dimension);
        using var cache = new KvCache(AttentionCases.Options(geometry, spec, sinks: 0, window: 0));
        Fill(cache);
        float[][] truths = s_truths.GetOrAdd((dimension, group, logitDeviation), _ => Truths(geometry, logitDeviation));
        using var exact = new CacheAttention(geometry, new() { Arithmetic = Arithmetic.Exact });
        using var fast = new CacheAttention(geometry, new() { Arithmetic = Arithmetic.Fast });
        double codes = 0, integers = 0;
        for (int step = 0; step < Steps; step++)
        {
            float[] queries = Queries(geometry, step, logitDeviation), truth = truths[step], coded = new float[truth.Length], quick = new float[truth.Length];
            exact.Decode(cache, 0, queries, coded);
            fast.Decode(cache, 0, queries, quick);
            for (int i = 0; i < truth.Length; i++)
            {
                codes += Measure.Square(coded[i] - truth[i]);
                integers += Measure.Square(quick[i] - coded[i]);
            }
        }

        double added = Math.Sqrt(1 + (integers / codes)) - 1;
        Assert.True(added <= Tolerances.IntegerArithmetic, $"{spec}: integers add {added:P2} to the output error.");
    }

    private static float[][] Truths(CacheGeometry geometry, double logitDeviation)
    {
        using var lossless = new KvCache(AttentionCases.Options(geometry, "fp32", sinks: 0, window: 0));
        Fill(lossless);
        using var exact = new CacheAttention(geometry, new() { Arithmetic = Arithmetic.Exact });
        var truths = new float[Steps][];
        for (int step = 0; step < Steps; step++)
            exact.Decode(lossless, 0, Queries(geometry, step, logitDeviation), truths[step] = new float[geometry.QueryHeads * geometry.ValueDimension]);
        return truths;
    }

    private static float[] Queries(CacheGeometry geometry, int step, double logitDeviation) =>
        [.. AttentionCases.Queries(geometry, step).Select(x => (float)(x * logitDeviation))];

    private static void Fill(KvCache cache)
    {
        for (int seed = 1; seed <= 8; seed++)
            AttentionCases.Append(cache, 512, seed);
    }
}
