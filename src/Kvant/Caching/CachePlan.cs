namespace Kvant.Caching;

/// <summary>What a cache will take, before anything is allocated.</summary>
public static class CachePlan
{
    /// <summary>What <see cref="KvCache.Statistics"/> will say, to the byte, after a number of tokens was appended to every layer.</summary>
    /// <remarks>While tokens are appended a cache that evicts may hold a page per layer more: new ones are taken before old ones go back.</remarks>
    /// <param name="options">The cache.</param>
    /// <param name="tokens">Tokens, at least 0.</param>
    /// <exception cref="ArgumentException">As in the constructor of <see cref="KvCache"/>.</exception>
    /// <exception cref="OverflowException">More bytes than a <see cref="long"/> counts.</exception>
    public static CacheStatistics For(KvCacheOptions options, int tokens)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        LayerLayout[] layouts = LayerLayouts.Create(options);
        return For(options.Geometry.OwnLayers.Select(layer => layouts[layer]), tokens);
    }

    /// <summary>As <see cref="For(KvCacheOptions, int)"/>, for who asks again and again: making layouts takes long, sums do not.</summary>
    internal static CacheStatistics For(IEnumerable<LayerLayout> layouts, int tokens) =>
        CacheStatistics.Sum(layouts.Select(layout => layout.Statistics(layout.AfterAppend(layout.Empty, tokens), sharedBytes: 0)));
}
