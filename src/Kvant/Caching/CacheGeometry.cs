using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>The shape of a model's key-value cache.</summary>
public sealed record CacheGeometry
{
    private readonly int _layers = 1;
    private readonly int _kvHeads = 1;
    private readonly int? _queryHeads;
    private readonly int _keyDimension = 1;
    private readonly int _valueDimension = 1;

    /// <summary>Transformer layers.</summary>
    public required int Layers { get => _layers; init => _layers = Positive(value, nameof(Layers)); }

    /// <summary>Key-value heads in a layer (fewer than query heads where queries are grouped).</summary>
    public required int KvHeads { get => _kvHeads; init => _kvHeads = Positive(value, nameof(KvHeads)); }

    /// <summary>Query heads in a layer: a multiple of <see cref="KvHeads"/>, as many as those unless said. Each group of
    /// <see cref="GroupSize"/> neighbors reads the same keys and values.</summary>
    public int QueryHeads { get => _queryHeads ?? _kvHeads; init => _queryHeads = Positive(value, nameof(QueryHeads)); }

    /// <summary>Query heads that share a key-value head.</summary>
    public int GroupSize => QueryHeads / KvHeads;

    /// <summary>Numbers in a key.</summary>
    public required int KeyDimension { get => _keyDimension; init => _keyDimension = Positive(value, nameof(KeyDimension)); }

    /// <summary>Numbers in a value.</summary>
    public required int ValueDimension { get => _valueDimension; init => _valueDimension = Positive(value, nameof(ValueDimension)); }

    /// <summary>How the model's positions turn its keys, for codecs that can use it (<c>frame</c>); null if they do not, or nobody knows. Two shapes that
    /// differ in it alone are the same.</summary>
    /// <exception cref="ArgumentException">It does not turn keys of this many numbers; thrown where a cache is made.</exception>
    public RotaryEmbedding? Rotary { get; init; }

    /// <summary>Bytes that one token takes in 16-bit floats, all layers and heads, keys and values.</summary>
    public long Fp16BytesPerToken => 2L * Layers * KvHeads * (KeyDimension + ValueDimension);

    /// <summary>Whether two shapes are the same; query heads that were not said are as many as key-value heads.</summary>
    public bool Equals(CacheGeometry? other) => other is not null
        && (Layers, KvHeads, QueryHeads, KeyDimension, ValueDimension) == (other.Layers, other.KvHeads, other.QueryHeads, other.KeyDimension, other.ValueDimension);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Layers, KvHeads, QueryHeads, KeyDimension, ValueDimension);

    private static int Positive(int value, string name) => value > 0
        ? value
        : throw new ArgumentOutOfRangeException(name, value, "A cache has at least one of each.");
}
