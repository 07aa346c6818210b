using Kvant.Caching;

namespace Kvant.Formats;

/// <summary>What a compressed cache file holds: its shape, how each layer is compressed, and what the source said about itself.</summary>
public sealed record CompressedCacheLayout
{
    /// <summary>Layers, key-value heads and dimensions.</summary>
    public required CacheGeometry Geometry { get; init; }

    /// <summary>Cached tokens, at least 1.</summary>
    public required int Tokens { get; init; }

    /// <summary>The codecs of each layer, as many as the geometry has.</summary>
    public required LayerPolicy Policy { get; init; }

    /// <summary>Query heads that are carried along uncompressed, a multiple of the key-value heads; 0 for none.</summary>
    public int QueryHeads { get; init; }

    /// <summary>How carried queries are stored: F16 or F32.</summary>
    public ElementType QueryElementType { get; init; } = ElementType.F16;

    /// <summary>Strings of the source, such as the model's name and <c>softmax_scale</c>; they come back on decompression.</summary>
    public IReadOnlyDictionary<string, string> SourceMetadata { get; init; } = new Dictionary<string, string>();

    /// <summary>The bytes of the cache, counted by kind, without queries and header.</summary>
    public MemoryEstimate EstimateMemory() => MemoryEstimate.For(Geometry, Policy, Tokens);
}
