using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;

namespace Kvant.Conversations.Tests;

/// <summary>Small caches and what is stored of them.</summary>
internal static class Samples
{
    public const int ChunkTokens = 128;

    public static CacheIdentity Identity { get; } = new() { Weights = "sha256:12", Positions = "rope" };

    /// <summary>Every method, for keys and values; blocks of several sizes, states of both sides, presets.</summary>
    public static TheoryData<string> Policies =>
    [
        .. CodecCatalog.Methods.Select(m => m.Name), .. CachePreset.All.Select(p => p.Name),
        "kivi:group=128|q8", "q8|kivi:bits=4", "outlier|turboquant:bits=3,mean=head", "turboquant:bits=2,mean=auto|q8:frame=balanced",
    ];

    public static KvCacheOptions Options(string policy, int layers = 2, int sinks = 4, int window = 20, int drafts = 0, PagePool? pool = null, params int[] slidingWindows)
    {
        CacheGeometry geometry = new() { Layers = layers, KvHeads = 2, QueryHeads = 4, KeyDimension = 64, ValueDimension = 96, Rotary = new() };
        string[] specs = policy.Split('|');
        return new()
        {
            Geometry = slidingWindows.Length == 0 ? geometry : geometry.WithLayers((layer, shape) => shape with { SlidingWindow = slidingWindows[layer] }),
            Policy = CachePreset.Find(policy) is { } preset ? preset.ForLayers(layers) : LayerPolicy.Uniform(layers, CodecSpec.Parse(specs[0]), CodecSpec.Parse(specs[^1])),
            Sinks = sinks,
            Window = window,
            DraftTokens = drafts,
            Identity = Identity,
            Pool = pool,
        };
    }

    public static PrefixOptions Prefixes(KvCacheOptions cache) => new() { Cache = cache, ChunkTokens = ChunkTokens };

    /// <summary>Tokens and, by them, keys and values: the same tokens behind the same tokens have the same.</summary>
    public static int[] Tokens(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(50_000))];
    }

    public static void Append(KvCache cache, ReadOnlySpan<int> tokens)
    {
        foreach (int layer in cache.Geometry.OwnLayers)
        {
            LayerGeometry shape = cache.Geometry[layer];
            float[] keys = new float[tokens.Length * shape.KvHeads * shape.KeyDimension], values = new float[shape.ValuesInKeys ? 0 : tokens.Length * shape.KvHeads * shape.ValueDimension];
            float[] queries = new float[tokens.Length * shape.QueryHeads * shape.KeyDimension];
            for (int i = 0; i < tokens.Length; i++)
            {
                var random = new Random((tokens[i] * 31) + layer);
                Fill(random, keys.AsSpan(i * keys.Length / tokens.Length, keys.Length / tokens.Length), 2);
                Fill(random, values.AsSpan(i * values.Length / tokens.Length, values.Length / tokens.Length), 1);
                Fill(random, queries.AsSpan(i * queries.Length / tokens.Length, queries.Length / tokens.Length), 1);
            }

            cache.ObserveQueries(layer, cache.LayerLength(layer), queries);
            cache.Append(layer, keys, values);
        }
    }

    /// <summary>Stores a sequence from its first token on.</summary>
    public static async Task StoreAsync(IChunkStore store, PrefixOptions options, int[] tokens)
    {
        await using var prefixes = new PrefixStore(store, options);
        using var cache = new KvCache(options.Cache);
        Append(cache, tokens);
        using StoredSequence sequence = prefixes.Follow(cache);
        Assert.Equal(StoreOutcome.Queued, sequence.Store(tokens));
        await prefixes.FlushAsync();
        Assert.Empty(prefixes.Statistics.Refusals);
    }

    public static async Task<(int Tokens, ChunkMiss? Miss)> RestoreAsync(IChunkStore store, PrefixOptions options, int[] tokens)
    {
        await using var prefixes = new PrefixStore(store, options);
        using StoredSequence sequence = await prefixes.RestoreAsync(tokens);
        Assert.Equal(sequence.RestoredTokens, sequence.Cache.Length);
        return (sequence.RestoredTokens, sequence.Miss);
    }

    /// <summary>Gives two caches the same tokens and questions: they must answer alike.</summary>
    public static void GoOn(KvCache one, KvCache other, int seed)
    {
        using var attention = new CacheAttention(one.Geometry);
        foreach (int count in (int[])[1, 1, 60, 200])
        {
            int[] more = Tokens(count, seed);
            Append(one, more);
            Append(other, more);
            foreach (int layer in one.Geometry.OwnLayers)
            {
                LayerGeometry shape = one.Geometry[layer];
                var random = new Random(seed + layer);
                float[] queries = [.. Enumerable.Range(0, shape.QueryHeads * shape.KeyDimension).Select(_ => random.NextSingle() - .5f)];
                float[] wanted = new float[shape.QueryHeads * shape.ValueDimension], found = new float[wanted.Length];
                attention.Decode(one, layer, queries, wanted);
                attention.Decode(other, layer, queries, found);
                Assert.Equal(wanted, found);
            }
        }
    }

    /// <summary>Restores a sequence, and has it looked at.</summary>
    public static void Restore(IChunkStore store, PrefixOptions options, int[] tokens, Action<StoredSequence> check)
    {
        var prefixes = new PrefixStore(store, options);
        using (StoredSequence restored = prefixes.RestoreAsync(tokens).GetAwaiter().GetResult())
            check(restored);
        prefixes.DisposeAsync().AsTask().Wait();
    }

    private static void Fill(Random random, Span<float> numbers, float scale)
    {
        for (int i = 0; i < numbers.Length; i++)
            numbers[i] = scale * ((2 * random.NextSingle()) - 1) * (i % 16 == 5 ? 4 : 1);
    }
}
