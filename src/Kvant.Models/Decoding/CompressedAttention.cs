using Kvant.Attention;
using Kvant.Caching;

namespace Kvant.Models.Decoding;

/// <summary>
/// Lets a decoder run on a <see cref="KvCache"/>, whatever its codecs are. Tokens that come together see each other exactly and what was
/// cached before as it decodes; a token that comes alone sees everything as it decodes, itself included.
/// </summary>
public sealed class CompressedAttention : IAttention, IDisposable
{
    private readonly KvCache _cache;
    private readonly CacheAttention _attention;

    /// <summary>Attends over a cache.</summary>
    /// <param name="cache">Of the geometry that <see cref="ModelConfig.CacheGeometry"/> gives; it stays the caller's.</param>
    /// <param name="settings">Threads and arithmetic; null for one thread.</param>
    public CompressedAttention(KvCache cache, AttentionSettings? settings = null)
    {
        ArgumentNullException.ThrowIfNull(cache);
        _cache = cache;
        _attention = new CacheAttention(cache.Geometry, settings);
    }

    /// <inheritdoc/>
    public void Attend(int layer, ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, Span<float> outputs)
    {
        if (keys.Length != _cache.Geometry.KvHeads * _cache.Geometry.KeyDimension)
        {
            _attention.Prefill(_cache, layer, queries, keys, values, outputs);
            return;
        }
        _cache.Append(layer, keys, values);
        _attention.Decode(_cache, layer, queries, outputs);
    }

    /// <summary>Ends the threads of attention. The cache stays open.</summary>
    public void Dispose() => _attention.Dispose();
}
