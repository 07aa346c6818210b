using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Tests.Caching;
using Kvant.Tests.Reference;

namespace Kvant.Tests.Laws;

/// <summary>The laws of the cache, for every method: what it holds never depends on how it came there, and equals a slow oracle.</summary>
public sealed class CacheLaws
{
    private const int Seeds = 2;

    [Theory]
    [MemberData(nameof(CacheSamples.Pairs), MemberType = typeof(CacheSamples))]
    public void AnySplitGivesTheSameBytes(string pair)
    {
        int block = BlockRows(pair);
        (int Sinks, int Window)[] shapes = [(0, 0), (3, 20), (4, 1), (300, 0), (0, 500)];
        foreach ((int sinks, int window) in shapes)
        {
            foreach (int tokens in (int[])[0, 1, sinks + window + block - 1, sinks + window + block, sinks + window + block + 1, 333])
            {
                KvCacheOptions options = CacheSamples.Options(pair, sinks, window);
                (float[] Keys, float[] Values) batch = CacheSamples.Tokens(tokens, seed: 5);
                using var whole = new KvCache(options);
                using var single = new KvCache(options);
                CacheSamples.AppendPart(whole, batch, 0, tokens);
                for (int i = 0; i < tokens; i++)
                    CacheSamples.AppendPart(single, batch, i, i + 1);
                Assert.True(whole.Freeze().AsSpan().SequenceEqual(single.Freeze()), $"{pair}, sinks {sinks}, window {window}, {tokens} tokens.");
                Assert.Equal(whole.Statistics, single.Statistics);
            }
        }
    }

    [Theory]
    [MemberData(nameof(CacheSamples.Policies), MemberType = typeof(CacheSamples))]
    public void AnySequenceOfCallsEqualsTheOracle(string policy) => Fresh.Each(policy, Seeds, seed =>
    {
        var random = new Random(seed);
        using var pool = new PagePool();
        KvCacheOptions options = AnyOptions(policy, random, pool);
        var cache = new KvCache(options);
        CacheOracle[] oracles = [.. options.Geometry.OwnLayers.Select(layer => new CacheOracle(options, layer))];
        string history = $"{policy}, {Describe(options.Geometry)}, sinks {options.Sinks}, window {options.Window}, drafts {options.DraftTokens}, {options.Eviction}";
        for (int step = 0; step < 12; step++)
        {
            history += Step(random, ref cache, ref oracles, pool);
            AssertEqual(oracles, cache, history);
            Assert.True(cache.Statistics.TotalBytes == pool.UsedBytes, $"{history}: {cache.Statistics} but {pool.UsedBytes} bytes are used.");
        }

        cache.Dispose();
        Assert.Equal(0, pool.UsedBytes);
    });

    [Theory]
    [MemberData(nameof(CacheSamples.Policies), MemberType = typeof(CacheSamples))]
    public void AThawedCacheGoesOnLikeItsSource(string policy) => Fresh.Each(policy, 1, seed =>
    {
        var random = new Random(seed);
        using var pool = new PagePool();
        KvCacheOptions options = AnyOptions(policy, random, pool);
        using var source = new KvCache(options);
        Change(source, random.Next(), append: 150);
        Change(source, random.Next());
        using KvCache thawed = KvCache.Thaw(source.Freeze());
        using var attention = new CacheAttention(options.Geometry);
        for (int step = 0; step < 6; step++)
        {
            int change = random.Next();
            Change(source, change);
            Change(thawed, change);
            for (int layer = 0; layer < options.Geometry.Layers; layer++)
                Assert.Equal(Answer(attention, source, layer, change), Answer(attention, thawed, layer, change));
            using KvCache fork = source.Fork(), thawedFork = thawed.Fork();
            Change(fork, ~change);
            Change(thawedFork, ~change);
            Assert.Equal(fork.Freeze(), thawedFork.Freeze());
            Assert.Equal(source.Freeze(), thawed.Freeze());
        }
    });

    private static KvCacheOptions AnyOptions(string policy, Random random, PagePool pool)
    {
        int sinks = random.Next(3) * 3, window = random.Next(4) switch { 0 => 0, 1 => 1, 2 => 20, _ => 70 }, drafts = random.Next(2) * random.Next(50);
        Eviction eviction = random.Next(4) switch { 0 => new Eviction.Newest(random.Next(1, 200)), 1 => new Eviction.MaxTokens(sinks + random.Next(1, 200)), _ => Eviction.None };
        string? windowCodec = random.Next(4) == 0 ? "fp32" : null;
        return CacheSamples.Options("fp16", sinks, window, layers: 3, eviction: eviction, pool: pool, windowCodec: windowCodec, drafts: drafts) with
        {
            Policy = CacheSamples.Policy(policy, random),
            Geometry = CacheSamples.AnyGeometry(3, random),
        };
    }

    // One random call, on both. Returns what it was.
    private static string Step(Random random, ref KvCache cache, ref CacheOracle[] oracles, PagePool pool)
    {
        switch (random.Next(10))
        {
            case 0:
                return Truncate(random.Next(cache.Length + 2), cache, oracles);
            case 1:
                return Truncate(Math.Max(0, cache.Length - random.Next(40)), cache, oracles);
            case 2:
                int firstLive = random.Next(cache.Length + 1);
                cache.Evict(firstLive);
                Array.ForEach(oracles, oracle => oracle.Evict(firstLive));
                return $", evict {firstLive}";
            case 3:
                KvCache fork = cache.Fork();
                CacheOracle[] copies = [.. oracles.Select(oracle => oracle.Copy())];
                Append(random, 50, fork, copies);
                Truncate(fork.Length - 10, fork, copies);
                AssertEqual(copies, fork, "the fork");
                AssertEqual(oracles, cache, "the source of a fork");
                (KvCache dropped, cache, oracles) = random.Next(2) == 0 ? (fork, cache, oracles) : (cache, fork, copies);
                dropped.Dispose();
                return ", fork";
            case 4:
                byte[] frozen = cache.Freeze();
                cache.Dispose();
                cache = KvCache.Thaw(frozen, pool);
                Assert.True(frozen.AsSpan().SequenceEqual(cache.Freeze()), "Thawed and frozen again the bytes differ.");
                return ", thaw";
            case 5:
                // A step that ends in its middle: the first layer is ahead, and what is to come behind it is cut again.
                int before = cache.Length;
                Append(random, random.Next(40), cache, oracles[..1]);
                return ", a layer ahead" + Truncate(before, cache, oracles);
            case 6:
                return Recode(random, cache, oracles);
            default:
                return Append(random, random.Next(5) switch { 0 => 1, 1 => 2, 2 => random.Next(40), _ => random.Next(150) }, cache, oracles);
        }
    }

    // Other codecs for the oldest tokens, in all layers whose blocks are as large as theirs.
    private static string Recode(Random random, KvCache cache, CacheOracle[] oracles)
    {
        string[] texts = ["q8", "q4_0 / turboquant:bits=2,mean=32", "tiny", "turboquant:bits=1,code=trellis", "q8:frame=balanced / outlier"];
        LayerSpecs specs = LayerSpecs.FromText(texts[random.Next(texts.Length)]);
        int tokens = random.Next(cache.Length + 50);
        if (!Array.TrueForAll(oracles, oracle => oracle.CanRecode(specs)))
            return "";
        byte[] before = cache.Freeze();
        try
        {
            cache.Recode(LayerPolicy.Uniform(cache.Geometry.Layers, specs), tokens);
        }
        catch (InvalidOperationException)
        {
            // Rows to learn from are evicted, or there are too many kinds.
            Assert.Equal(before, cache.Freeze());
            return $", recode not {tokens} to {specs}";
        }

        Array.ForEach(oracles, oracle => oracle.Recode(specs, tokens));
        return $", recode {tokens} to {specs}";
    }

    private static string Truncate(int length, KvCache cache, CacheOracle[] oracles)
    {
        bool can = Array.TrueForAll(oracles, oracle => oracle.CanTruncate(length));
        Assert.Equal(can, cache.CanTruncate(length));
        if (!can)
        {
            Assert.Throws<InvalidOperationException>(() => cache.Truncate(length));
            return $", truncate not {length}";
        }

        cache.Truncate(length);
        Array.ForEach(oracles, oracle => oracle.Truncate(length));
        return $", truncate {length}";
    }

    // Other tokens in each layer, split in another place.
    private static string Append(Random random, int tokens, KvCache cache, CacheOracle[] oracles)
    {
        string done = $", append {tokens} as";
        foreach ((CacheOracle oracle, int layer) in oracles.Zip(cache.Geometry.OwnLayers))
        {
            (float[] Keys, float[] Values) batch = CacheSamples.Tokens(cache.Geometry[layer], tokens, random.Next());
            int split = random.Next(tokens + 1);
            CacheSamples.AppendPart(cache, batch, 0, split, layer);
            CacheSamples.AppendPart(cache, batch, split, tokens, layer);
            oracle.Append(batch.Keys, batch.Values, tokens);
            done += $" {split} and the rest";
        }

        return done;
    }

    private static void AssertEqual(CacheOracle[] oracles, KvCache cache, string what)
    {
        foreach ((CacheOracle oracle, int layer) in oracles.Zip(cache.Geometry.OwnLayers))
        {
            CacheSamples.AssertEqual(oracle, cache, what, layer);
            for (int reader = layer + 1; reader < cache.Geometry.Layers; reader++)
            {
                if (cache.Geometry[reader].SharedLayer == layer)
                    CacheSamples.AssertEqual(oracle, cache, what, reader);
            }
        }
    }

    // The same seed changes equal caches alike.
    private static void Change(KvCache cache, int seed, int append = 60)
    {
        var random = new Random(seed);
        switch (append == 60 ? random.Next(4) : 3)
        {
            case 0:
                Cut(random.Next(cache.Length + 1));
                break;
            case 1:
                Cut(Math.Max(0, cache.Length - random.Next(40)));
                break;
            case 2:
                cache.Evict(random.Next(cache.Length + 1));
                break;
            default:
                int tokens = 1 + random.Next(append);
                foreach (int layer in cache.Geometry.OwnLayers)
                    CacheSamples.Append(cache, tokens, random.Next(), layer);
                break;
        }

        void Cut(int length)
        {
            if (cache.CanTruncate(length))
                cache.Truncate(length);
        }
    }

    private static string Describe(CacheGeometry geometry) => string.Join("; ", Enumerable.Range(0, geometry.Layers).Select(layer => geometry[layer]));

    private static float[] Answer(CacheAttention attention, KvCache cache, int layer, int seed)
    {
        LayerGeometry shape = cache.Geometry[layer];
        float[] outputs = new float[shape.QueryHeads * shape.ValueDimension];
        attention.Decode(cache, layer, TestRows.Gaussian(shape.QueryHeads, shape.KeyDimension, seed), outputs);
        return outputs;
    }

    private static int BlockRows(string pair)
    {
        string[] specs = pair.Split('|');
        return Math.Max(
            CodecSpec.Parse(specs[0]).CreateCodec(CacheSamples.KeyDimension, CodecRole.KeyTiles).RowsPerBlock,
            CodecSpec.Parse(specs[^1]).CreateCodec(CacheSamples.ValueDimension, CodecRole.ValueTiles).RowsPerBlock);
    }
}
