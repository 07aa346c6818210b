using Kvant.Caching;
using Kvant.Formats;
using Kvant.Numerics;
using Kvant.Tests.Formats;

namespace Kvant.Fuzz.Targets;

/// <summary>Cache files, with checksums made right again, so that mutants reach what lies behind them: thawed, used, and read layer by layer.</summary>
internal static class CacheTarget
{
    internal static FuzzTarget Target { get; } = new("cache", Corpus, Read, static e => e is InvalidDataException or CacheFullException)
    {
        // What CacheUse appends and reads is part of it.
        AllocatedAtMost = 64 << 20,
        AllocatedPerByte = 1000,
    };

    private static byte[][] Corpus() =>
    [
        Freeze(CacheBytes.Options(2, 32, 3, "turboquant:bits=3", "q4_0", sinks: 1), tokens: 40),
        Freeze(CacheBytes.Options(1, 16, 2, "kivi:bits=2,group=16", "q8", layers: 2, eviction: new Eviction.Newest(20)), tokens: 36),
        Freeze(CacheBytes.Options(1, 32, 0, "turboquant:bits=2,mean=head", "outlier:channels=3"), tokens: 33),
        Freeze(Turned(CacheBytes.Options(2, 8, 0, "q8:frame=balanced", "q8:frame=constant")), tokens: 130),
        Freeze(Turned(CacheBytes.Options(1, 32, 2, "turboquant:bits=2,mean=32,frame=balanced", "fp16")), tokens: 20),
        Freeze(CacheBytes.Options(1, 8, 4, "bf16", "fp32") with { Identity = new CacheIdentity { Weights = "sha256:12" } }, tokens: 6),
        Freeze(CacheBytes.Options(1, 32, 3, "q8", "q8", sinks: 1) is var options ? options with { Policy = [LayerSpecs.FromText("q8; 30: turboquant:bits=2 / q8; 50: q4_0")] } : options, tokens: 90),
        Mixed(),
    ];

    // A layer with a sliding window that evicts, one of other heads and dimensions, one that reads its rows, a latent one.
    private static byte[] Mixed()
    {
        KvCacheOptions options = CacheBytes.Options(2, 32, 3, "turboquant:bits=3", "q8", layers: 4, sinks: 1);
        return Freeze(options with
        {
            Geometry = options.Geometry.WithLayers((layer, shape) => layer switch
            {
                0 => shape with { SlidingWindow = 20 },
                3 => shape with { KvHeads = 1, QueryHeads = 3, KeyDimension = 40, ValueDimension = 24, ValuesInKeys = true },
                _ => shape with { KvHeads = 1, QueryHeads = 2 * layer, KeyDimension = 16, Rotary = new(), SharedLayer = layer == 2 ? 1 : null },
            }),
            Policy = [.. options.Policy.Select((specs, layer) => layer == 0 ? specs with { Eviction = new Eviction.MaxTokens(12) } : specs)],
        }, tokens: 40);
    }

    private static KvCacheOptions Turned(KvCacheOptions options) => options with { Geometry = options.Geometry with { Rotary = new() { Divisor = 2 } } };

    private static byte[] Freeze(KvCacheOptions options, int tokens)
    {
        using var cache = new KvCache(options);
        var random = new SeededRandom(20261128);
        foreach (int layer in options.Geometry.OwnLayers)
        {
            LayerGeometry g = options.Geometry[layer];
            cache.ObserveQueries(layer, 0, Numbers(tokens * g.QueryHeads * g.KeyDimension));
            cache.Append(layer, Numbers(tokens * g.KvHeads * g.KeyDimension), g.ValuesInKeys ? [] : Numbers(tokens * g.KvHeads * g.ValueDimension));
        }

        return cache.Freeze();

        float[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)random.NextGaussian())];
    }

    private static void Read(FuzzInput input)
    {
        byte[] bytes = CacheBytes.Seal(input.Bytes);
        CacheUse.Thaw(bytes);
        using CacheFile file = CacheFile.Open(input.Make(bytes));
        file.Verify();
    }
}
