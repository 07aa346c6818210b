using System.Globalization;
using System.Runtime.CompilerServices;
using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Benchmarks;

/// <summary>What the system lends while a pool is at its limit, when it was trimmed, and after caches were forgotten: resident memory but for the managed heap.</summary>
internal static class PoolMemory
{
    private const int Tokens = 5120;
    private const int TokensAtOnce = 128;
    private const long Limit = 256L << 20;
    private const double MiB = 1 << 20;

    private static readonly (int Layers, int Heads, int Dimension, string Codec)[] s_shapes =
    [
        (1, 1, 32, "turboquant:bits=2"), (2, 1, 64, "turboquant:bits=2"), (4, 2, 64, "turboquant:bits=4"), (30, 3, 64, "turboquant:bits=2"),
        (8, 8, 128, "turboquant:bits=4"), (32, 8, 128, "fp16"),
    ];

    public static int Run()
    {
        Fill(s_shapes[2]); // what is compiled and kept once
        foreach ((int Layers, int Heads, int Dimension, string Codec) shape in s_shapes)
        {
            (long before, long at, long after) = Fill(shape);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{shape.Layers,2} layers, {shape.Heads} heads of {shape.Dimension,3}, {shape.Codec,-17}  pool of {Limit / MiB:f0} MiB full: {(at - before) / MiB,6:f1} MiB resident, {(double)(at - before) / Limit:f4} of the limit; trimmed: {(after - before) / MiB,6:f1}"));
        }

        long first = Resident(), most = Forget();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"40 caches without Dispose: {(most - first) / MiB:f1} MiB resident, {(Resident() - first) / MiB:f1} once they are collected"));
        return 0;
    }

    private static (long Before, long At, long After) Fill((int Layers, int Heads, int Dimension, string Codec) shape)
    {
        KvCacheOptions options = Options(shape) with { Pool = new PagePool(Limit) };
        (float[] keys, float[] values) = Rows(options.Geometry);
        long before = Resident();
        List<KvCache> caches = [];
        for (bool fits = true; fits;)
        {
            caches.Add(new KvCache(options));
            for (int t = 0; fits && t < Tokens; t += TokensAtOnce)
            {
                for (int layer = 0; fits && layer < shape.Layers; layer++)
                    fits = caches[^1].TryAppend(layer, keys, values);
            }
        }

        long at = Resident();
        caches.ForEach(cache => cache.Dispose());
        options.Pool.Trim();
        return (before, at, Resident());
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static long Forget()
    {
        for (int i = 0; i < 40; i++)
        {
            var cache = new KvCache(Options((8, 8, 128, "turboquant:bits=4")));
            (float[] keys, float[] values) = Rows(cache.Geometry);
            for (int t = 0; t < 2048; t += TokensAtOnce)
            {
                for (int layer = 0; layer < cache.Geometry.Layers; layer++)
                    cache.Append(layer, keys, values);
            }
        }

        return Resident(collect: false);
    }

    private static KvCacheOptions Options((int Layers, int Heads, int Dimension, string Codec) shape) => new()
    {
        Geometry = new() { Layers = shape.Layers, KvHeads = shape.Heads, KeyDimension = shape.Dimension, ValueDimension = shape.Dimension },
        Policy = LayerPolicy.Uniform(shape.Layers, CodecSpec.Parse(shape.Codec), CodecSpec.Parse(shape.Codec)),
    };

    private static (float[] Keys, float[] Values) Rows(CacheGeometry geometry)
    {
        int length = TokensAtOnce * geometry.KvHeads * geometry.KeyDimension;
        return ([.. Enumerable.Range(0, length).Select(i => (i * 37 % 101) - 50f)], [.. Enumerable.Range(0, length).Select(i => (i * 53 % 211) - 105f)]);
    }

    private static long Resident(bool collect = true)
    {
        for (int i = 0; i < 3 && collect; i++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }

        return Environment.WorkingSet - GC.GetGCMemoryInfo().TotalCommittedBytes;
    }
}
