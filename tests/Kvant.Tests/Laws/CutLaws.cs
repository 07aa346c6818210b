using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Kvant.Caching;
using Kvant.Formats;
using Kvant.Tests.Caching;

namespace Kvant.Tests.Laws;

/// <summary>Tokens that are taken back leave nothing behind: no error, no shorter window, no other bytes.</summary>
public sealed class CutLaws
{
    private static readonly ConcurrentDictionary<int, (List<(float[] Keys, float[] Values, int Left)> Steps, float[] Keys, float[] Values)> s_cuts = new();

    /// <summary>The pairs of all laws, what presets are made of, and the scale that shrinks what is encoded twice.</summary>
    public static TheoryData<string> Pairs =>
    [
        .. CacheSamples.Pairs.Select(row => row.Data), "turboquant:bits=4,scale=norm", "turboquant:bits=3,mean=head,scale=norm", "kivi:bits=4",
        .. CachePreset.All.Select(preset => $"{preset.Keys}|{preset.Values}").Where(pair => pair.Contains("mean", StringComparison.Ordinal)),
    ];

    [Theory]
    [MemberData(nameof(Pairs))]
    public void SixtyCutsAddNoError(string pair)
    {
        foreach (int seed in (int[])[1, 2])
        {
            (List<(float[] Keys, float[] Values, int Left)> steps, float[] keys, float[] values) = s_cuts.GetOrAdd(seed, SixtyCuts);
            KvCacheOptions options = CacheSamples.Options(pair, window: 4);
            using KvCache cache = new(options), fresh = new(options);
            foreach ((float[] Keys, float[] Values, int Left) step in steps)
            {
                cache.Append(0, step.Keys, step.Values);
                cache.Truncate(step.Left);
            }

            fresh.Append(0, keys, values);
            double[] ratios = Errors(cache).Zip(Errors(fresh), (cut, once) => once == 0 ? (cut == 0 ? 1 : double.PositiveInfinity) : cut / once).ToArray();
            Assert.True(ratios[0] <= (pair.StartsWith("kivi", StringComparison.Ordinal) ? Tolerances.CutsOfSharedRanges : Tolerances.Cuts), $"{pair}, seed {seed}: keys have {ratios[0]:f4} times the error.");
            Assert.True(ratios[1] <= Tolerances.Cuts, $"{pair}, seed {seed}: values have {ratios[1]:f4} times the error.");

            double[] Errors(KvCache which)
            {
                int length = which.Length;
                double[] sums = [0, 0];
                float[] decodedKeys = new float[length * CacheSamples.KeyDimension], decodedValues = new float[length * CacheSamples.ValueDimension];
                for (int head = 0; head < CacheSamples.Heads; head++)
                {
                    which.Decode(0, head, 0, length, decodedKeys, decodedValues);
                    sums[0] += SquaredError(decodedKeys, keys, CacheSamples.KeyDimension, head);
                    sums[1] += SquaredError(decodedValues, values, CacheSamples.ValueDimension, head);
                }

                return [Math.Sqrt(sums[0]), Math.Sqrt(sums[1])];
            }
        }
    }

    // Refused rows that lack the mean of the others spoil what is left of their block as they are compressed with it; that is lost.
    [Theory]
    [InlineData("turboquant:bits=3,mean=32")]
    [InlineData("turboquant:bits=3,mean=128")]
    [InlineData("q4_0:mean=32")]
    [InlineData("q4_0:mean=128")]
    public void RowsWhoseBlockWasCutAreLittleWorseThanTheyCameBack(string spec)
    {
        double found = 0, cameBack = 0;
        foreach (int seed in (int[])[1, 2, 3])
        {
            var random = new Random(seed);
            KvCacheOptions options = CacheSamples.Options(spec, window: 4);
            using var cache = new KvCache(options);
            List<float> values = [];
            List<double> first = [];
            Add(300, common: true);
            for (int i = 0; i < 60; i++)
            {
                Add(random.Next(1, 60), common: true);
                int stay = cache.Length, refused = random.Next(1, 200);
                Add(refused, common: false);
                cache.Truncate(stay);
                values.RemoveRange(stay * CacheSamples.Heads * CacheSamples.ValueDimension, refused * CacheSamples.Heads * CacheSamples.ValueDimension);
                Note();
            }

            Add(300, common: true);
            Note();
            double[] last = Errors();
            for (int t = 0; t < last.Length; t++)
                (found, cameBack) = (found + last[t], cameBack + (first[t] > 0 ? first[t] : last[t]));

            void Add(int count, bool common)
            {
                (float[] Keys, float[] Values) batch = CacheSamples.Tokens(count, random.Next());
                for (int n = 0; common && n < batch.Values.Length; n++)
                    batch.Values[n] += (n % CacheSamples.ValueDimension * 37 % 11) - 5;
                values.AddRange(batch.Values);
                cache.Append(0, batch.Keys, batch.Values);
            }

            // Of each token, when it is compressed for the first time: what is smaller is the window's rounding.
            void Note()
            {
                double[] now = Errors();
                for (int t = 0; t < now.Length; t++)
                {
                    if (t == first.Count)
                        first.Add(0);
                    first[t] = first[t] == 0 && now[t] > 1e-3 ? now[t] : first[t];
                }
            }

            double[] Errors()
            {
                int length = cache.Length, floats = CacheSamples.ValueDimension;
                float[] keys = new float[length * CacheSamples.KeyDimension], decoded = new float[length * floats];
                double[] errors = new double[length];
                for (int head = 0; head < CacheSamples.Heads; head++)
                {
                    cache.Decode(0, head, 0, length, keys, decoded);
                    for (int i = 0; i < decoded.Length; i++)
                        errors[i / floats] += Math.Pow(decoded[i] - values[(((i / floats * CacheSamples.Heads) + head) * floats) + (i % floats)], 2);
                }

                return errors;
            }
        }

        double times = Math.Sqrt(found / cameBack);
        Assert.True(times <= Tolerances.CutsOfSharedMeans, $"{spec}: {times:f4} times the error with which they came back.");
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void CutsWithinDraftsLeaveTheWindowAndTheBytes(string pair)
    {
        var random = new Random(5);
        foreach ((int sinks, int window, int drafts) in ((int, int, int)[])[(3, 20, 9), (0, 0, 48), (4, 64, 1)])
        {
            KvCacheOptions options = CacheSamples.Options(pair, sinks, window, layers: 2, drafts: drafts) with { Geometry = CacheSamples.AnyGeometry(2, random) };
            using var cache = new KvCache(options);
            using var fresh = new KvCache(options);
            for (int step = 0; step < 12; step++)
            {
                // Some tokens stay; a draft of others is refused.
                int stay = random.Next(1, 70), draft = random.Next(1, drafts + 1);
                Stay(stay, random.Next());
                foreach (int layer in options.Geometry.OwnLayers)
                    CacheSamples.Append(cache, draft, random.Next(), layer);
                cache.Truncate(cache.Length - draft);
                for (int layer = 0; layer < 2; layer++)
                {
                    CacheStatistics now = cache.LayerStatistics(layer);
                    int living = cache.LiveTokens(layer);
                    Assert.True(now.ExactRows >= Math.Min(living, sinks + window), $"{pair}, {window} + {drafts}: {now.ExactRows} exact rows of {living}.");
                    Assert.Equal(now.ExactRows, Math.Min(living, Math.Min(sinks, cache.Length) + now.WindowRows));
                }
            }

            // A draft may have closed a block a little early; tokens that stay close it too.
            Stay(drafts, seed: 8);
            void Stay(int tokens, int seed)
            {
                foreach (int layer in options.Geometry.OwnLayers)
                {
                    CacheSamples.Append(cache, tokens, seed + layer, layer);
                    CacheSamples.Append(fresh, tokens, seed + layer, layer);
                }
            }

            Assert.True(fresh.Freeze().AsSpan().SequenceEqual(cache.Freeze()), $"{pair}, {window} + {drafts}: other bytes.");
        }
    }

    [Fact]
    public void StatisticsSayHowManyTokensAreExactAfterADeepCut()
    {
        // 500 tokens, 48 refused: without room for drafts the window has 16 left.
        KvCacheOptions options = CacheSamples.Options("turboquant:bits=4", sinks: 4, window: 64);
        using KvCache cache = CacheSamples.Cache(options, tokens: 500), drafted = CacheSamples.Cache(options with { DraftTokens = 48 }, tokens: 500);
        Assert.Equal((84, 116), (cache.Statistics.ExactRows, drafted.Statistics.ExactRows));
        cache.Truncate(452);
        drafted.Truncate(452);
        Assert.Equal((36, 68), (cache.Statistics.ExactRows, drafted.Statistics.ExactRows));

        // Row 396 is the 12th of its block: 12 rows come back from it, and none is exact but the sinks.
        cache.Truncate(4 + 396);
        Assert.Equal((4, 12), (cache.Statistics.ExactRows, cache.Statistics.WindowRows));
        CacheSamples.Append(cache, 5, seed: 2);
        Assert.Equal((9, 17), (cache.Statistics.ExactRows, cache.Statistics.WindowRows));
        cache.Truncate(4 + 390);
        Assert.Equal((4, 6), (cache.Statistics.ExactRows, cache.Statistics.WindowRows));
        Assert.Throws<ArgumentOutOfRangeException>(() => options with { DraftTokens = -1 });
    }

    // Tokens that are appended and how many stay, step by step, and all that stay in the end.
    private static (List<(float[] Keys, float[] Values, int Left)> Steps, float[] Keys, float[] Values) SixtyCuts(int seed)
    {
        // Half of the cuts anywhere, half of them into one block that has to be closed again and again; none so early that codecs would choose anew.
        var random = new Random(seed);
        List<(float[] Keys, float[] Values, int Left)> steps = [];
        List<float> keys = [], values = [];
        int length = 0;
        Add(300, all => all);
        for (int i = 0; i < 60; i++)
        {
            bool anywhere = i % 2 == 0;
            Add(random.Next(1, 250), all => Math.Min(all, anywhere ? Math.Max(260, all - random.Next(1, 180)) : 260 - random.Next(1, 32)));
        }

        Add(300, all => all);
        return (steps, [.. keys], [.. values]);

        void Add(int count, Func<int, int> left)
        {
            (float[] Keys, float[] Values) batch = CacheSamples.Tokens(count, random.Next());
            // What all tokens share makes means matter.
            for (int n = 0; n < batch.Keys.Length; n++)
                batch.Keys[n] += (n % CacheSamples.KeyDimension * 37 % 11) - 5;
            for (int n = 0; n < batch.Values.Length; n++)
                batch.Values[n] += ((n % CacheSamples.ValueDimension * 29 % 7) - 3) / 2f;
            length = left(length + count);
            steps.Add((batch.Keys, batch.Values, length));
            keys.AddRange(batch.Keys);
            values.AddRange(batch.Values);
            CollectionsMarshal.SetCount(keys, length * CacheSamples.Heads * CacheSamples.KeyDimension);
            CollectionsMarshal.SetCount(values, length * CacheSamples.Heads * CacheSamples.ValueDimension);
        }
    }

    private static double SquaredError(float[] decoded, ReadOnlySpan<float> rows, int dimension, int head)
    {
        double sum = 0;
        for (int i = 0; i < decoded.Length / dimension; i++)
        {
            ReadOnlySpan<float> row = rows.Slice(((i * CacheSamples.Heads) + head) * dimension, dimension), found = decoded.AsSpan(i * dimension, dimension);
            for (int c = 0; c < row.Length; c++)
            {
                double difference = found[c] - row[c];
                sum += difference * difference;
            }
        }

        return sum;
    }
}
