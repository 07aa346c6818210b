using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>How one layer is compressed.</summary>
/// <param name="Keys">The codec of its keys.</param>
/// <param name="Values">The codec of its values.</param>
public sealed record LayerSpecs(CodecSpec Keys, CodecSpec Values)
{
    /// <summary>What this layer forgets by itself; null for what the cache's options say (<see cref="KvCacheOptions.Eviction"/>).</summary>
    public Eviction? Eviction { get; init; }
}
