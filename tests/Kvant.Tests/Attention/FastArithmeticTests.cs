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

    // Groups of three heads, of six and of seven are as common as those of four.
    [Theory]
    [InlineData("turboquant:bits=4")]
    [InlineData("turboquant:bits=2,code=trellis,mean=32,meanbits=4,frame=balanced")]
    [InlineData("kivi:bits=4")]
    [InlineData("q4_0:mean=32,meanbits=8")]
    [InlineData("q8:frame=constant")]
    [InlineData("fp16")]
    public void HeadsOfAGroupOfAnySizeGetWhatEachGetsAlone(string spec)
    {
        const int Dimension = 64, Largest = 9, New = 3;
        CacheGeometry one = AttentionCases.Geometry(kvHeads: 1, group: 1, keys: Dimension, values: Dimension);
        (float[] keys, float[] values) = AttentionCases.Rows(one, New, seed: 5);
        float[] queries = AttentionCases.Queries(AttentionCases.Geometry(kvHeads: 1, group: Largest), seed: 6, New);
        float[][] alone = [.. Enumerable.Range(0, Largest).Select(head => Attend(head, 1))];
        for (int group = 2; group <= Largest; group++)
        {
            float[] together = Attend(0, group);
            for (int token = 0; token < New + 1; token++)
            {
                for (int head = 0; head < group; head++)
                    AttentionCases.AssertOutput([.. alone[head][(token * Dimension)..][..Dimension]], together.AsSpan(((token * group) + head) * Dimension, Dimension), $"{spec}, head {head} of {group}, token {token}", Tolerances.Attention);
            }
        }

        // Some tokens of a prompt, then the last of them once more, for a few heads of the largest group.
        float[] Attend(int first, int heads)
        {
            CacheGeometry geometry = AttentionCases.Geometry(kvHeads: 1, group: heads, keys: Dimension, values: Dimension);
            float[] some = [.. Enumerable.Range(0, New).SelectMany(token => queries[(((token * Largest) + first) * Dimension)..][..(heads * Dimension)])];
            using var cache = new KvCache(AttentionCases.Options(geometry, spec));
            AttentionCases.Append(cache, 400, seed: 7);
            using var attention = new CacheAttention(geometry, new() { Arithmetic = Arithmetic.Fast });
            float[] outputs = new float[(New + 1) * heads * Dimension];
            attention.Prefill(cache, 0, some, keys, values, outputs.AsSpan(..^(heads * Dimension)));
            attention.Decode(cache, 0, some.AsSpan(^(heads * Dimension)..), outputs.AsSpan(^(heads * Dimension)..));
            return outputs;
        }
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
