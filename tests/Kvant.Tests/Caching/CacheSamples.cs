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

    /// <summary>Every method for keys and values, and pairs with blocks of other sizes: keys | values.</summary>
    public static TheoryData<string> Pairs =>
    [
        .. CodecCases.Known.Select(m => m.Name),
        "kivi:group=128", "kivi:bits=4,group=16|turboquant:bits=3", "q8|kivi:bits=4", "turboquant:bits=2|q4_0", "fp32|outlier", "turboquant:bits=5", "outlier|kivi:group=64",
        "turboquant:bits=3,mean=64|turboquant:bits=3", "turboquant:bits=4,mean=32,frame=balanced|q8:frame=balanced", "turboquant:bits=2,mean=auto|q4_0:mean=128,meanbits=8",
    ];

    /// <summary>What caches of several layers are tried with: <see cref="Pairs"/> in the first layer and others behind it, trellis codes, and presets.</summary>
    public static TheoryData<string> Policies =>
    [
        .. Pairs.Select(p => p.Data), "turboquant:bits=3,code=trellis", "turboquant:bits=1,code=trellis|turboquant:bits=4,code=trellis,scale=leastsquares",
        .. CachePreset.All.Select(p => p.Name), .. Ladders,
    ];

    /// <summary>Steps by age: short ones, so that small caches have tokens of all; blocks of other sizes, sides that keep their codec, choices from data in one step or in all.</summary>
    public static string[] Ladders =>
    [
        "q8; 100: turboquant:bits=4; 150: turboquant:bits=2", "q8; 71: kivi:bits=4,group=64 / q8", "turboquant:bits=4,mean=32,frame=balanced / q8; 96: turboquant:bits=2,code=trellis,mean=32,frame=balanced / q8; 97: tiny",
        "outlier / fp16; 128: q8; 129: kivi:group=128; 400: q4_0", "quality; 90: balanced; 200: tiny",
    ];

    /// <summary>One of <see cref="Policies"/> for three layers: the pair, then two others that a seed finds; a preset as it is.</summary>
    public static LayerPolicy Policy(string name, Random random)
    {
        if (CachePreset.Find(name) is { } preset)
            return preset.ForLayers(3);
        if (name.Contains(';'))
        {
            string other = Ladders[random.Next(Ladders.Length)];
            return new([LayerSpecs.FromText(name), LayerSpecs.FromText(other), LayerSpecs.FromText(other[..other.IndexOf(';')])]);
        }

        string[] pairs = [.. Pairs.Select(p => p.Data)];
        return new([.. ((string[])[name, pairs[random.Next(pairs.Length)], pairs[random.Next(pairs.Length)]]).Select(pair => pair.Split('|'))
            .Select(specs => new LayerSpecs(CodecSpec.Parse(specs[0]), CodecSpec.Parse(specs[^1])))]);
    }

    public static KvCacheOptions Options(string pair, int sinks = 3, int window = 20, int layers = 1, Eviction? eviction = null, PagePool? pool = null, string? windowCodec = null, int drafts = 0)
    {
        string[] specs = pair.Split('|');
        return new()
        {
            Geometry = new() { Layers = layers, KvHeads = Heads, KeyDimension = KeyDimension, ValueDimension = ValueDimension, Rotary = pair.Contains("frame") ? new() : null },
            Policy = LayerPolicy.Uniform(layers, CodecSpec.Parse(specs[0]), CodecSpec.Parse(specs[^1])),
            Sinks = sinks,
            Window = window,
            DraftTokens = drafts,
            Eviction = eviction ?? Eviction.None,
            Pool = pool,
            WindowCodec = windowCodec is null ? null : CodecSpec.Parse(windowCodec),
        };
    }

    /// <summary>A shape that a seed finds: layers of other heads and dimensions, with sliding windows, values in keys, or the keys of another layer; alike in one case of four.</summary>
    public static CacheGeometry AnyGeometry(int layers, Random random)
    {
        CacheGeometry most = new() { Layers = layers, KvHeads = Heads, KeyDimension = KeyDimension, ValueDimension = ValueDimension };
        if (random.Next(4) == 0)
            return most;
        CacheGeometry own = most.WithLayers((_, shape) =>
        {
            int heads = random.Next(1, 4), key = random.Next(3) == 0 ? 96 : KeyDimension, value = random.Next(3) == 0 ? 64 : ValueDimension;
            return random.Next(4) == 0 ? shape : shape with
            {
                KvHeads = heads,
                QueryHeads = heads * random.Next(1, 4),
                KeyDimension = key,
                ValueDimension = value,
                SlidingWindow = random.Next(4) switch { 0 => random.Next(1, 40), 1 => random.Next(1, 200), _ => 0 },
                ValuesInKeys = value <= key && random.Next(2) == 0,
            };
        });
        int shares = random.Next(1, 2 * layers), source = random.Next(Math.Max(1, Math.Min(shares, layers)));
        return own.WithLayers((layer, shape) => layer == shares ? own[source] with { SharedLayer = source, QueryHeads = own[source].KvHeads * random.Next(1, 4) } : shape);
    }

    /// <summary>Keys and values of tokens, [token, head, number], with a few loud channels.</summary>
    public static (float[] Keys, float[] Values) Tokens(int count, int seed) =>
        Tokens(new LayerGeometry { KvHeads = Heads, KeyDimension = KeyDimension, ValueDimension = ValueDimension }, count, seed);

    /// <summary>As above, of a shape.</summary>
    public static (float[] Keys, float[] Values) Tokens(LayerGeometry shape, int count, int seed)
    {
        float[] keys = TestRows.Gaussian(count * shape.KvHeads, shape.KeyDimension, seed), values = shape.ValuesInKeys ? [] : TestRows.Gaussian(count * shape.KvHeads, shape.ValueDimension, ~seed);
        for (int i = 5; i < keys.Length; i += 16)
            keys[i] *= 6;
        return (keys, values);
    }

    /// <summary>A cache of the first tokens of a sequence.</summary>
    public static KvCache Cache(KvCacheOptions options, int tokens, int seed = 1)
    {
        var cache = new KvCache(options);
        foreach (int layer in options.Geometry.OwnLayers)
            Append(cache, tokens, seed + layer, layer);
        return cache;
    }

    public static void Append(KvCache cache, int tokens, int seed, int layer = 0)
    {
        (float[] keys, float[] values) = Tokens(cache.Geometry[layer], tokens, seed);
        cache.Append(layer, keys, values);
    }

    /// <summary>The tokens from one to another of a batch.</summary>
    public static void AppendPart(KvCache cache, (float[] Keys, float[] Values) tokens, int from, int to, int layer = 0)
    {
        LayerGeometry shape = cache.Geometry[layer];
        int key = shape.KvHeads * shape.KeyDimension, value = shape.ValuesInKeys ? 0 : shape.KvHeads * shape.ValueDimension;
        cache.Append(layer, tokens.Keys.AsSpan((from * key)..(to * key)), tokens.Values.AsSpan((from * value)..(to * value)));
    }

    /// <summary>Fails unless a layer of the cache says, bit for bit, what the oracle says.</summary>
    public static void AssertEqual(CacheOracle oracle, KvCache cache, string what, int layer = 0)
    {
        Assert.True(oracle.Length == cache.LayerLength(layer), $"{what}: {cache.LayerLength(layer)} tokens, {oracle.Length} wanted.");
        int[] wanted = oracle.Positions, positions = new int[cache.LiveTokens(layer)];
        cache.CopyPositions(layer, positions);
        Assert.True(wanted.SequenceEqual(positions), $"{what}: positions {string.Join(' ', positions)}, {string.Join(' ', wanted)} wanted.");
        long exact = cache.LayerStatistics(layer).ExactRows;
        Assert.True(oracle.ExactRows == exact, $"{what}: {exact} exact rows, {oracle.ExactRows} wanted.");
        // A few rows at once: parts of blocks, parts of two blocks, across the borders of sinks, body and window.
        const int Most = 7;
        LayerGeometry shape = cache.Geometry[layer];
        int k = shape.KeyDimension, v = shape.ValueDimension;
        float[] keys = new float[Most * k], values = new float[Most * v];
        for (int i = 0, count; i < wanted.Length; i += count)
        {
            count = 1;
            while (count < Math.Min(Most, wanted.Length - i) && wanted[i + count] == wanted[i] + count)
                count++;
            for (int head = 0; head < shape.KvHeads; head++)
            {
                cache.Decode(layer, head, wanted[i], count, keys.AsSpan(0, count * k), values.AsSpan(0, count * v));
                for (int row = 0; row < count; row++)
                {
                    (float[] wantedKey, float[] wantedValue) = oracle.Row(head, wanted[i] + row);
                    Assert.True(keys.AsSpan(row * k, k).SequenceEqual(wantedKey), $"{what}: the key of layer {layer}, head {head} at {wanted[i] + row} differs.");
                    Assert.True(values.AsSpan(row * v, v).SequenceEqual(wantedValue), $"{what}: the value of layer {layer}, head {head} at {wanted[i] + row} differs.");
                }
            }
        }
    }
}
