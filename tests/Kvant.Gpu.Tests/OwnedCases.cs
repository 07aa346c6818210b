using Kvant.Attention;
using Kvant.Caching;
using Kvant.Gpu.Memory;
using Kvant.Tests.Attention;

namespace Kvant.Gpu.Tests;

/// <summary>What tests of copies that own pages have in common.</summary>
internal static class OwnedCases
{
    public const string Keys = "turboquant:bits=4,mean=32,meanbits=8,frame=constant", Values = "turboquant:bits=3,code=trellis";

    public static KvCache Cache(PagePool? pool = null, int layers = 1, string keys = Keys, string values = Values) =>
        new(AttentionCases.Options(AttentionCases.Geometry(layers: layers), keys, values) with { Pool = pool });

    /// <summary>Bytes of pages that are not full, and of sinks and windows.</summary>
    public static long BytesThatStay(KvCache cache)
    {
        long bytes = 0;
        foreach (int layer in cache.Geometry.OwnLayers)
        {
            LayerMemory memory = cache.LayerAt(layer);
            bytes += memory.Extent.Length > 0 ? memory.Layout.FrontBytes : 0;
            for (int step = 0; step < memory.Layout.Steps.Length; step++)
            {
                (int first, int end) = memory.Layout.Pages(memory.Extent, step);
                int full = Enumerable.Range(first, end - first).Count(page => page * 128 >= memory.Extent.End(step + 1) && (page + 1) * 128 <= memory.Extent.End(step));
                bytes += (end - first - full) * memory.Layout.Steps[step].PageBytes;
            }
        }

        return bytes;
    }

    /// <summary>The copy of the only layer as the cache is now.</summary>
    public static LayerCopy Followed(GpuKvCache copy)
    {
        copy.Cache.EnterRead();
        try
        {
            return copy.Follow(0);
        }
        finally
        {
            copy.Cache.ExitRead();
        }
    }

    /// <summary>Bytes of pages that lie on the device alone.</summary>
    public static long Away(KvCache cache) => cache.Statistics.AwayBytes;

    /// <summary>What a step on the device gives: outputs and log-sum-exp.</summary>
    public static float[] Decoded(GpuKvCache copy, int layer = 0, int seed = 1)
    {
        CacheGeometry geometry = copy.Cache.Geometry;
        using var attention = new GpuAttention(copy.Device, geometry);
        float[] outputs = new float[geometry.QueryHeads * geometry.ValueDimension], sums = new float[geometry.QueryHeads];
        attention.Decode(copy, layer, AttentionCases.Queries(geometry, seed), outputs, sums);
        // Where a sliding window has left the sinks behind and all else is evicted, nothing is seen.
        Assert.True(outputs.Any(x => x != 0) || copy.Cache.FirstLive(layer) >= copy.Cache.LayerLength(layer), "All outputs are zero.");
        return [.. outputs, .. sums];
    }

    /// <summary>What a step on the processor gives.</summary>
    public static float[] DecodedHere(KvCache cache, int layer = 0, int seed = 1, int threads = 1)
    {
        CacheGeometry geometry = cache.Geometry;
        using var attention = new CacheAttention(geometry, new AttentionSettings { Threads = threads });
        float[] outputs = new float[geometry.QueryHeads * geometry.ValueDimension], sums = new float[geometry.QueryHeads];
        attention.Decode(cache, layer, AttentionCases.Queries(geometry, seed), outputs, sums);
        return [.. outputs, .. sums];
    }
}
