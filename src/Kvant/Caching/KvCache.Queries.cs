using Kvant.Kernels;

namespace Kvant.Caching;

// Queries that the cache hears of: codecs may learn from the first ones.
public sealed partial class KvCache
{
    /// <summary>Tells the cache what its tokens ask for, so that codecs that learn from queries (<c>frame=balanced</c>) can: those of the first 127 tokens count,
    /// each once and in order. <see cref="Attention.CacheAttention"/> does so by itself; call it where attention is your own. Nothing is stored but sums of squares.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    /// <param name="position">The position of the first token.</param>
    /// <param name="queries">[token, query head, key dimension], with rotary embeddings where the keys have them.</param>
    /// <exception cref="ArgumentException">The length is wrong, or a number is NaN or infinite.</exception>
    public void ObserveQueries(int layer, int position, ReadOnlySpan<float> queries)
    {
        RequireLayer(layer);
        LayerGeometry shape = Geometry[layer];
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        long token = (long)shape.QueryHeads * shape.KeyDimension;
        if (queries.Length % token != 0)
            throw new ArgumentException($"The length is {queries.Length}; it must be a multiple of {token}, the queries of a token.", nameof(queries));
        if (!Finiteness.All(queries))
            throw new ArgumentException("Queries must be finite.", nameof(queries));
        EnterRead();
        try
        {
            Observe(layer, position, queries);
        }
        finally
        {
            ExitRead();
        }
    }

    /// <summary>As <see cref="ObserveQueries"/>, for those who checked the queries and hold the lock.</summary>
    internal void Observe(int layer, int position, ReadOnlySpan<float> queries)
    {
        // Layers that share keys may have other queries; those of the layer that stores them count.
        if (Geometry[layer].SharedLayer is null)
            _layers[layer].Queries.Observe(position, queries);
    }
}
