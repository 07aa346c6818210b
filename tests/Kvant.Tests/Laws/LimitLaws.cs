using Kvant.Caching;
using Kvant.Formats;
using Kvant.Tests.Caching;

namespace Kvant.Tests.Laws;

/// <summary>Caches below a limit of bytes: what they hold never depends on how tokens came, they take no more than they may, and refuse nothing that would fit.</summary>
public sealed class LimitLaws
{
    /// <summary>Policies and floors, or policies that say themselves what a full cache does.</summary>
    public static TheoryData<string> Policies =>
    [
        "q8 | turboquant:bits=2", "quality | tiny", "balanced | tiny", "fp16 | q8:frame=balanced / q4_0", "q8; 100: turboquant:bits=4 | turboquant:bits=2,mean=32", "tiny | quality",
        "q8; 150: turboquant:bits=4; full: turboquant:bits=4 / turboquant:bits=2; full: turboquant:bits=2", "quality; 90: balanced; full: tiny; never: turboquant:bits=1,code=trellis", "outlier / fp16 | kivi:bits=4,group=128 / turboquant:bits=3",
    ];

    [Theory, MemberData(nameof(Policies))]
    public void AnySequenceOfCallsKeepsTheLimit(string policy) => Fresh.Each(policy, 2, seed =>
    {
        var random = new Random(seed);
        using PagePool pool = new(), otherPool = new();
        KvCacheOptions options = AnyOptions(policy, random);
        KvCache whole = new(options with { Pool = pool }), single = new(options with { Pool = otherPool });
        List<Token>[] tokens = [.. options.Geometry.OwnLayers.Select(_ => new List<Token>())];
        string history = $"{policy}, {string.Join("; ", Enumerable.Range(0, 3).Select(layer => options.Geometry[layer]))}, sinks {options.Sinks}, window {options.Window}, drafts {options.DraftTokens}, {options.Eviction}, {options.MemoryLimit} bytes";
        for (int step = 0; step < 16; step++)
        {
            long held = whole.Statistics.TotalBytes;
            if (Step(random, ref whole, ref single, pool, otherPool, tokens) is not { } call)
                break;
            history += call;
            Assert.True(whole.Freeze().AsSpan().SequenceEqual(single.Freeze()), history);
            CacheStatistics statistics = whole.Statistics;
            Assert.Equal((statistics, statistics.TotalBytes, statistics.TotalBytes), (single.Statistics, pool.UsedBytes, otherPool.UsedBytes));
            Assert.True(statistics.TotalBytes <= Math.Max(held, options.MemoryLimit!.Value), $"{history}: {statistics.TotalBytes} bytes.");
            AssertRows(whole, tokens, history);
        }

        whole.Dispose();
        single.Dispose();
        Assert.Equal((0, 0), (pool.UsedBytes, otherPool.UsedBytes));
    });

    private static KvCacheOptions AnyOptions(string policy, Random random)
    {
        string[] parts = policy.Split(" | ");
        int sinks = random.Next(3) * 3, window = random.Next(3) switch { 0 => 0, 1 => 20, _ => 70 }, drafts = random.Next(3) * random.Next(60);
        Eviction eviction = random.Next(4) switch { 0 => new Eviction.Newest(random.Next(1, 500)), _ => Eviction.None };
        KvCacheOptions options = CacheSamples.Options("fp16", sinks, window, layers: 3, eviction: eviction, drafts: drafts) with
        {
            Policy = LayerPolicy.Uniform(3, LayerSpecs.FromText(parts[0])),
            Geometry = CacheSamples.AnyGeometry(3, random) with { Rotary = new() },
        };
        return options with
        {
            Floor = parts.Length > 1 ? LayerPolicy.Uniform(3, LayerSpecs.FromText(parts[1])) : null,
            MemoryLimit = (long)(CachePlan.For(options, 1200).TotalBytes * (.2 + (.8 * random.NextDouble()))),
        };
    }

    // One random call, on both. Returns what it was; null where one by one tokens are refused that came at once.
    private static string? Step(Random random, ref KvCache whole, ref KvCache single, PagePool pool, PagePool otherPool, List<Token>[] tokens)
    {
        int number;
        switch (random.Next(12))
        {
            case 0:
                return Truncate(random.Next(whole.Length + 2), whole, single, tokens);
            case 1:
                return Truncate(Math.Max(0, whole.Length - random.Next(60)), whole, single, tokens);
            case 2:
                number = random.Next(whole.Length + 1);
                whole.Evict(number);
                single.Evict(number);
                return $", evict {number}";
            case 3:
                // The source goes its own way, and is forgotten.
                KvCache fork = whole.Fork(), otherFork = single.Fork();
                foreach (int layer in whole.Geometry.OwnLayers)
                    TryAppend(whole, CacheSamples.Tokens(whole.Geometry[layer], 90, random.Next()), 0, 90, layer);
                whole.Dispose();
                single.Dispose();
                (whole, single) = (fork, otherFork);
                return ", fork";
            case 4:
                byte[] frozen = whole.Freeze();
                whole.Dispose();
                single.Dispose();
                (whole, single) = (KvCache.Thaw(frozen, pool), KvCache.Thaw(frozen, otherPool));
                return ", thaw";
            case 5:
                whole.Trim();
                return ", trim";
            case 6:
                return Recode(random, whole, single);
            default:
                return Append(random, random.Next(3) switch { 0 => 1, 1 => random.Next(60), _ => random.Next(400) }, whole, single, tokens);
        }
    }

    private static string Recode(Random random, KvCache whole, KvCache single)
    {
        string[] texts = ["tiny", "q4_0 / turboquant:bits=2,mean=32", "turboquant:bits=1,code=trellis", "kivi:bits=4,group=128 / q8"];
        LayerPolicy policy = LayerPolicy.Uniform(3, LayerSpecs.FromText(texts[random.Next(texts.Length)]));
        int tokens = random.Next(whole.Length + 50);
        byte[] before = whole.Freeze();
        Exception? refused = Record.Exception(() => whole.Recode(policy, tokens)), other = Record.Exception(() => single.Recode(policy, tokens));
        Assert.Equal(refused?.Message, other?.Message);
        if (refused is null)
            return $", recode {tokens} to {policy[0]}";
        Assert.True(refused is InvalidOperationException or CacheFullException, refused.ToString());
        Assert.Equal(before, whole.Freeze());
        return $", recode not {tokens} to {policy[0]}";
    }

    private static string Truncate(int length, KvCache whole, KvCache single, List<Token>[] tokens)
    {
        if (!whole.CanTruncate(length))
            return "";
        whole.Truncate(length);
        single.Truncate(length);
        foreach (List<Token> layer in tokens)
            layer.RemoveRange(Math.Min(length, layer.Count), layer.Count - Math.Min(length, layer.Count));
        return $", truncate {length}";
    }

    // Other tokens in each layer: at once, and one by one. What a layer refuses, the others do not get.
    private static string? Append(Random random, int count, KvCache whole, KvCache single, List<Token>[] tokens)
    {
        int before = whole.Length;
        string done = $", append {count}";
        foreach ((List<Token> there, int layer) in tokens.Zip(whole.Geometry.OwnLayers))
        {
            LayerGeometry shape = whole.Geometry[layer];
            (float[] Keys, float[] Values) batch = CacheSamples.Tokens(shape, count, random.Next());
            LayerLayout layout = whole.Layers[layer].Layout;
            LayerExtent after = layout.AfterAppend(whole.Layers[layer].Extent, count);
            if (!TryAppend(whole, batch, 0, count, layer))
            {
                int last = Array.FindLastIndex(layout.Steps, step => step.Age == AgeStep.WhenFull), above = last < 0 ? 0 : after.BodyRows - after.End(last);
                Assert.True(above == 0, $"{done}: layer {layer} refuses {count} tokens, and {above} are not at their floor: {after}.");
                return $"{done} not{Truncate(before, whole, single, tokens)}";
            }

            for (int i = 0; i < count; i++)
            {
                // A limit without room for a page more than the tokens that live: as they move through pages, a layer that forgets is sometimes full.
                if (TryAppend(single, batch, i, i + 1, layer))
                    continue;
                Assert.True(shape.SlidingWindow > 0 || layout.Eviction != Eviction.None, $"{done}: token {i} of layer {layer} is refused alone.");
                return null;
            }

            for (int i = 0; i < count; i++)
                there.Add(new(Row(batch.Keys, i, shape.KvHeads * shape.KeyDimension), shape.ValuesInKeys ? [] : Row(batch.Values, i, shape.KvHeads * shape.ValueDimension)));
        }

        return done;

        static float[] Row(float[] rows, int row, int length) => rows[(row * length)..((row + 1) * length)];
    }

    internal static bool TryAppend(KvCache cache, (float[] Keys, float[] Values) batch, int from, int to, int layer)
    {
        LayerGeometry shape = cache.Geometry[layer];
        int key = shape.KvHeads * shape.KeyDimension, value = shape.ValuesInKeys ? 0 : shape.KvHeads * shape.ValueDimension;
        return cache.TryAppend(layer, batch.Keys.AsSpan((from * key)..(to * key)), batch.Values.AsSpan((from * value)..(to * value)));
    }

    // Whatever codes rows have by now: other rows are further away, by 1.6 at least. Returns the error of all of them, as a share of their energy.
    internal static double AssertRows(KvCache cache, List<Token>[] tokens, string what)
    {
        double error = 0, energy = 0;
        foreach ((List<Token> there, int layer) in tokens.Zip(cache.Geometry.OwnLayers))
        {
            LayerGeometry shape = cache.Geometry[layer];
            int[] positions = new int[cache.LiveTokens(layer)];
            cache.CopyPositions(layer, positions);
            Assert.Equal(there.Count, cache.LayerLength(layer));
            float[] key = new float[shape.KeyDimension], value = new float[shape.ValueDimension];
            foreach (int position in positions.Where(p => p % 7 == 0))
            {
                for (int head = 0; head < shape.KvHeads; head++)
                {
                    cache.Decode(layer, head, position, 1, key, value);
                    Compare(there[position].Keys.AsSpan(head * key.Length, key.Length), key, $"{what}: the key of layer {layer}, head {head} at {position} is another.");
                    if (!shape.ValuesInKeys)
                        Compare(there[position].Values.AsSpan(head * value.Length, value.Length), value, $"{what}: the value of layer {layer}, head {head} at {position} is another.");
                }
            }
        }

        return energy == 0 ? 0 : error / energy;

        void Compare(ReadOnlySpan<float> wanted, ReadOnlySpan<float> found, string message)
        {
            double rowError = 0, rowEnergy = 0;
            for (int i = 0; i < wanted.Length; i++)
                (rowError, rowEnergy) = (rowError + Math.Pow(wanted[i] - found[i], 2), rowEnergy + Math.Pow(wanted[i], 2));
            Assert.True(rowError < 1.1 * rowEnergy, message);
            (error, energy) = (error + rowError, energy + rowEnergy);
        }
    }

    internal sealed record Token(float[] Keys, float[] Values);
}
