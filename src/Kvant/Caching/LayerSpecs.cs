using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>How one layer is compressed: a codec for its keys and one for its values.</summary>
/// <param name="Keys">The codec of its keys.</param>
/// <param name="Values">The codec of its values.</param>
public sealed record LayerSpecs(CodecSpec Keys, CodecSpec Values)
{
    /// <summary>What this layer forgets by itself; null for what the cache's options say (<see cref="KvCacheOptions.Eviction"/>).</summary>
    public Eviction? Eviction { get; init; }

    /// <summary>The same codec for keys and values.</summary>
    /// <param name="spec">The codec.</param>
    public static LayerSpecs Both(CodecSpec spec) => new(spec, spec);

    /// <summary>Reads two specs.</summary>
    /// <param name="keys">Of the keys.</param>
    /// <param name="values">Of the values; null for the same as the keys.</param>
    /// <exception cref="FormatException">A spec is not valid.</exception>
    public static LayerSpecs Parse(string keys, string? values = null) => new(CodecSpec.Parse(keys), CodecSpec.Parse(values ?? keys));

    /// <summary>A short name: one spec where both are the same, else <c>keys / values</c>.</summary>
    public override string ToString() => Keys.Equals(Values) ? Keys.ToString() : $"{Keys} / {Values}";
}
