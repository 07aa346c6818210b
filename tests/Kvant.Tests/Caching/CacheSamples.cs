using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Tests.Reference;

namespace Kvant.Tests.Caching;

/// <summary>Small caches and their tokens.</summary>
internal static class CacheSamples
{
    public const int Heads = 2;
    public const int KeyDimension = 64;
    public const int ValueDimension = 96;

    /// <summary>Every method of the catalogue for keys and values, and pairs with blocks of other sizes: keys | values.</summary>
    public static TheoryData<string> Pairs =>
    [
        .. CodecCatalog.Methods.Select(m => m.Name),
        "kivi:group=128", "kivi:bits=4,group=16|turboquant:bits=3", "q8|kivi:bits=4", "turboquant:bits=2|q4_0", "fp32|outlier", "turboquant:bits=5", "outlier|kivi:group=64",
        "turboquant:bits=3,mean=64|turboquant:bits=3", "turboquant:bits=2,mean=auto|q4_0:mean=128,meanbits=8",
    ];

    public static KvCacheOptions Options(string pair, int sinks = 3, int window = 20, int layers = 1, Eviction? eviction = null, PagePool? pool = null, string? windowCodec = null, int drafts = 0)
    {
        string[] specs = pair.Split('|');
        return new()
        {
            Geometry = new() { Layers = layers, KvHeads = Heads, KeyDimension = KeyDimension, ValueDimension = ValueDimension },
            Policy = LayerPolicy.Uniform(layers, CodecSpec.Parse(specs[0]), CodecSpec.Parse(specs[^1])),
            Sinks = sinks,
            Window = window,
            DraftTokens = drafts,
            Eviction = eviction ?? Eviction.None,
            Pool = pool,
            WindowCodec = windowCodec is null ? null : CodecSpec.Parse(windowCodec),
        };
    }

    /// <summary>Keys and values of tokens, [token, head, number], with a few loud channels.</summary>
    public static (float[] Keys, float[] Values) Tokens(int count, int seed)
    {
        float[] keys = TestRows.Gaussian(count * Heads, KeyDimension, seed), values = TestRows.Gaussian(count * Heads, ValueDimension, ~seed);
        for (int i = 5; i < keys.Length; i += 16)
            keys[i] *= 6;
        return (keys, values);
    }

    /// <summary>A cache of the first tokens of a sequence.</summary>
    public static KvCache Cache(KvCacheOptions options, int tokens, int seed = 1)
    {
        var cache = new KvCache(options);
        for (int layer = 0; layer < options.Geometry.Layers; layer++)
            Append(cache, tokens, seed + layer, layer);
        return cache;
    }

    public static void Append(KvCache cache, int tokens, int seed, int layer = 0)
    {
        (float[] keys, float[] values) = Tokens(tokens, seed);
        cache.Append(layer, keys, values);
    }

    /// <summary>The tokens from one to another of a batch.</summary>
    public static void AppendPart(KvCache cache, (float[] Keys, float[] Values) tokens, int from, int to, int layer = 0) => cache.Append(
        layer,
        tokens.Keys.AsSpan((from * Heads * KeyDimension)..(to * Heads * KeyDimension)),
        tokens.Values.AsSpan((from * Heads * ValueDimension)..(to * Heads * ValueDimension)));

    /// <summary>Fails unless the cache says, bit for bit, what the oracle says.</summary>
    public static void AssertEqual(CacheOracle oracle, KvCache cache, string what)
    {
        Assert.True(oracle.Length == cache.Length, $"{what}: {cache.Length} tokens, {oracle.Length} wanted.");
        int[] wanted = oracle.Positions, positions = new int[cache.LiveTokens(0)];
        cache.CopyPositions(0, positions);
        Assert.True(wanted.SequenceEqual(positions), $"{what}: positions {string.Join(' ', positions)}, {string.Join(' ', wanted)} wanted.");
        Assert.True(oracle.ExactRows == cache.LayerStatistics(0).ExactRows, $"{what}: {cache.LayerStatistics(0).ExactRows} exact rows, {oracle.ExactRows} wanted.");
        float[] key = new float[KeyDimension], value = new float[ValueDimension];
        for (int head = 0; head < Heads; head++)
        {
            foreach (int position in wanted)
            {
                cache.Decode(0, head, position, 1, key, value);
                (float[] wantedKey, float[] wantedValue) = oracle.Row(head, position);
                Assert.True(wantedKey.AsSpan().SequenceEqual(key), $"{what}: the key of head {head} at {position} differs.");
                Assert.True(wantedValue.AsSpan().SequenceEqual(value), $"{what}: the value of head {head} at {position} differs.");
            }
        }
    }
}
