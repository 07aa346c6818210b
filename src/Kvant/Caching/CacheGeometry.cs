namespace Kvant.Caching;

/// <summary>The shape of a model's key-value cache.</summary>
public sealed record CacheGeometry
{
    /// <summary>Transformer layers.</summary>
    public required int Layers { get; init; }

    /// <summary>Key-value heads in a layer (fewer than query heads where queries are grouped).</summary>
    public required int KvHeads { get; init; }

    /// <summary>Numbers in a key.</summary>
    public required int KeyDimension { get; init; }

    /// <summary>Numbers in a value.</summary>
    public required int ValueDimension { get; init; }

    /// <summary>Bytes that one token takes in 16-bit floats, all layers and heads, keys and values.</summary>
    public long Fp16BytesPerToken => 2L * Layers * KvHeads * (KeyDimension + ValueDimension);
}
