using Kvant.Caching;
using Kvant.Evaluation.Sources;

namespace Kvant.Evaluation.Tests.Support;

internal static class Synthetic
{
    /// <summary>Normal numbers in the shape of a trace; keys and values have dimensions of their own.</summary>
    public static MemoryTrace Trace(int layers = 2, int kvHeads = 2, int queryHeads = 4, int tokens = 20, int keys = 8, int values = 6, ulong seed = 3)
    {
        var geometry = new CacheGeometry { Layers = layers, KvHeads = kvHeads, KeyDimension = keys, ValueDimension = values };
        float[][] Layers(int heads, int dimension, ulong salt) =>
            [.. Enumerable.Range(0, layers).Select(l => RandomVectors.Normal(heads * tokens, dimension, (seed * 1000) + (ulong)l + salt))];
        return new MemoryTrace(geometry, tokens, Layers(kvHeads, keys, 100), Layers(kvHeads, values, 200), queryHeads > 0 ? Layers(queryHeads, keys, 300) : null, queryHeads)
        {
            Name = "synthetic",
            SoftmaxScale = 0.3,
        };
    }
}
