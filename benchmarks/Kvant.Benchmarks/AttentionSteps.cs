using System.Diagnostics;
using System.Globalization;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Kernels;
using Kvant.Numerics;

namespace Kvant.Benchmarks;

/// <summary>
/// So and so many decode steps over one key-value head with four query heads at d = 128, and nothing else: for those who count instructions from outside (what two
/// runs differ by is what the steps between them took), and for a machine that is busy, where the fastest of many short steps says more than a median.
/// </summary>
internal static class AttentionSteps
{
    private const int Dimension = 128;

    public static int Run(string what, int tokens, int steps)
    {
        var geometry = new CacheGeometry { Layers = 1, KvHeads = 1, QueryHeads = 4, KeyDimension = Dimension, ValueDimension = Dimension, Rotary = new() };
        LayerPolicy policy = CachePreset.Find(what)?.ForLayers(1) ?? LayerPolicy.Uniform(1, CodecSpec.Parse(what), CodecSpec.Parse(what));
        using var cache = new KvCache(new() { Geometry = geometry, Policy = policy, Sinks = 0, Window = 0 });
        using var attention = new CacheAttention(geometry);
        var random = new SeededRandom(1, 1);
        float[] rows = [.. Enumerable.Range(0, (tokens + 1) * Dimension).Select(_ => (float)random.NextGaussian())], outputs = new float[4 * Dimension];
        cache.Append(0, rows.AsSpan(0, tokens * Dimension), rows.AsSpan(Dimension, tokens * Dimension));
        long fastest = long.MaxValue;
        for (int step = 0; step < steps; step++)
        {
            long start = Stopwatch.GetTimestamp();
            attention.Decode(cache, 0, rows.AsSpan(0, outputs.Length), outputs);
            fastest = Math.Min(fastest, Stopwatch.GetTimestamp() - start);
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{what}, {tokens} tokens, {(int)SimdSupport.Active}-bit registers, {steps} steps: {fastest * 1e9 / Stopwatch.Frequency / tokens:f2} ns by token in the fastest"));
        return 0;
    }
}
