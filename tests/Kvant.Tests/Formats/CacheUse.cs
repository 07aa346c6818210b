using Kvant.Attention;
using Kvant.Caching;
using Kvant.Formats;

namespace Kvant.Tests.Formats;

/// <summary>Does with a cache whatever can be done: a reader that accepts a file promises that all of it goes well.</summary>
internal static class CacheUse
{
    /// <summary>Thaws bytes and uses the cache; refusals are those of the contract.</summary>
    internal static void Thaw(byte[] bytes)
    {
        using KvCache cache = KvCache.Thaw(bytes);
        Assert.True(bytes.AsSpan().SequenceEqual(cache.Freeze()), "A file that is accepted is what the cache writes.");
        Everything(cache);
    }

    /// <summary>Reads, attends, appends, cuts, evicts, forks and freezes.</summary>
    internal static void Everything(KvCache cache)
    {
        // What takes long because it is large is no fault; a hostile file is small, what it describes must be too.
        if (Shapes(cache).Sum(shape => (long)shape.QueryHeads * ((long)shape.KeyDimension + shape.ValueDimension)) > 1 << 20)
            return;
        using (KvCache fork = cache.Fork())
        {
            Read(fork);
            TryAppend(fork, 3);
            Read(fork);
            Cut(fork, Math.Max(0, fork.Length - 5));
            Read(fork);
            TryAppend(fork, 200);
            Read(fork);
            fork.Evict(Math.Max(0, fork.Length - 1));
            Read(fork);
            Cut(fork, Math.Max(0, fork.Length - 70));
            using KvCache again = KvCache.Thaw(fork.Freeze());
            Read(again);
            Cut(again, 1);
            Read(again);
        }

        Cut(cache, cache.Length / 2);
        Read(cache);
        cache.Clear();
        TryAppend(cache, 1);
        Read(cache);
    }

    private static IEnumerable<LayerGeometry> Shapes(KvCache cache) => Enumerable.Range(0, cache.Geometry.Layers).Select(layer => cache.Geometry[layer]);

    // As far as a sliding window can bear it.
    private static void Cut(KvCache cache, int length)
    {
        if (cache.CanTruncate(length))
            cache.Truncate(length);
        else
            Assert.Throws<InvalidOperationException>(() => cache.Truncate(length));
    }

    private static void Read(KvCache cache)
    {
        using var attention = new CacheAttention(cache.Geometry);
        foreach ((int layer, LayerGeometry g) in Shapes(cache).Index())
        {
            float[] key = new float[g.KeyDimension], value = new float[g.ValueDimension];
            int living = cache.LiveTokens(layer);
            if (living is 0 or > 1 << 16)
                continue;
            int[] positions = new int[living];
            cache.CopyPositions(layer, positions);
            foreach (int position in (int[])[positions[0], positions[^1], positions[positions.Length / 2]])
            {
                cache.Decode(layer, g.KvHeads - 1, position, 1, key, value);
                Assert.True(Array.TrueForAll(key, float.IsFinite) && Array.TrueForAll(value, float.IsFinite), "A decoded number is not finite.");
            }

            attention.Decode(cache, layer, new float[g.QueryHeads * g.KeyDimension], new float[g.QueryHeads * g.ValueDimension]);
        }
    }

    private static void TryAppend(KvCache cache, int tokens)
    {
        try
        {
            foreach (int layer in cache.Geometry.OwnLayers)
            {
                LayerGeometry g = cache.Geometry[layer];
                cache.Append(layer, new float[tokens * g.KvHeads * g.KeyDimension], g.ValuesInKeys ? [] : new float[tokens * g.KvHeads * g.ValueDimension]);
            }
        }
        catch (ArgumentException)
        {
            // Positions end at int.MaxValue.
        }
    }
}
