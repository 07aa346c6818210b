using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>The shape of one layer: heads, dimensions, and what of the sequence it looks at.</summary>
/// <remarks><see cref="CacheGeometry"/> makes one for every layer; <see cref="CacheGeometry.WithLayers"/> changes those that differ.</remarks>
public sealed record LayerGeometry
{
    private readonly int _kvHeads = 1;
    private readonly int? _queryHeads;
    private readonly int _keyDimension = 1;
    private readonly int _valueDimension = 1;
    private readonly int _slidingWindow;
    private readonly int? _sharedLayer;

    /// <summary>Key-value heads (fewer than query heads where queries are grouped); 1 for latent attention.</summary>
    public required int KvHeads { get => _kvHeads; init => _kvHeads = CacheGeometry.Positive(value, nameof(KvHeads)); }

    /// <summary>Query heads: a multiple of <see cref="KvHeads"/>, as many as those unless said. Each group of
    /// <see cref="GroupSize"/> neighbors reads the same keys and values.</summary>
    public int QueryHeads { get => _queryHeads ?? _kvHeads; init => _queryHeads = CacheGeometry.Positive(value, nameof(QueryHeads)); }

    /// <summary>Query heads that share a key-value head.</summary>
    public int GroupSize => QueryHeads / KvHeads;

    /// <summary>Numbers in a key.</summary>
    public required int KeyDimension { get => _keyDimension; init => _keyDimension = CacheGeometry.Positive(value, nameof(KeyDimension)); }

    /// <summary>Numbers in a value.</summary>
    public required int ValueDimension { get => _valueDimension; init => _valueDimension = CacheGeometry.Positive(value, nameof(ValueDimension)); }

    /// <summary>How the model's positions turn the layer's keys; null if they do not, or nobody knows. Two shapes that differ in it alone are the same.</summary>
    public RotaryEmbedding? Rotary { get; init; }

    /// <summary>How many of the newest tokens a query sees, itself counted, sinks too only while they are among them; 0, all of them, unless said. What no query
    /// will see again is forgotten, page by page (but for <see cref="KvCacheOptions.DraftTokens"/> more, so that refused drafts can be cut).</summary>
    public int SlidingWindow
    {
        get => _slidingWindow;
        init => _slidingWindow = value >= 0 ? value : throw new ArgumentOutOfRangeException(nameof(SlidingWindow), value, "A sliding window has 1 token or more; 0 is none.");
    }

    /// <summary>Whether a value is the first <see cref="ValueDimension"/> numbers of its key, as in multi-head latent attention (DeepSeek-V2, 2024): the
    /// latent vector and the turned part behind it are stored once, as the key, and no values are appended.</summary>
    public bool ValuesInKeys { get; init; }

    /// <summary>The layer whose keys and values this one reads, as in models whose upper layers share a cache; it stores nothing and nothing is appended to it.
    /// An earlier layer of the same shape, but for query heads, that shares with none itself; null, none, unless said.</summary>
    public int? SharedLayer
    {
        get => _sharedLayer;
        init => _sharedLayer = value is null or >= 0 ? value : throw new ArgumentOutOfRangeException(nameof(SharedLayer), value, "Layers are counted from 0.");
    }

    /// <summary>What of it decides how rows are stored: neither how many queries there are nor how far they see.</summary>
    internal LayerGeometry Stored => this with { QueryHeads = KvHeads, SlidingWindow = 0 };

    /// <summary>Bytes that one token takes in 16-bit floats, all heads.</summary>
    internal long Fp16BytesPerToken => SharedLayer is null ? 2L * KvHeads * (KeyDimension + (ValuesInKeys ? 0 : ValueDimension)) : 0;

    /// <summary>Whether two shapes are the same; query heads that were not said are as many as key-value heads.</summary>
    public bool Equals(LayerGeometry? other) => ReferenceEquals(this, other) || (other is not null && Identity == other.Identity);

    /// <inheritdoc/>
    public override int GetHashCode() => Identity.GetHashCode();

    private (int, int, int, int, int, bool, int?) Identity => (KvHeads, QueryHeads, KeyDimension, ValueDimension, SlidingWindow, ValuesInKeys, SharedLayer);

    /// <summary>Checks what no property can check alone.</summary>
    /// <param name="layer">Its number, for messages.</param>
    /// <param name="geometry">The shape that it is part of.</param>
    /// <exception cref="ArgumentException">It does not fit together.</exception>
    internal void RequireConsistent(int layer, CacheGeometry geometry)
    {
        if (QueryHeads % KvHeads != 0)
            throw new ArgumentException($"{QueryHeads} query heads do not share {KvHeads} key-value heads evenly.");
        if (ValuesInKeys && ValueDimension > KeyDimension)
            throw new ArgumentException($"Layer {layer}: values of {ValueDimension} numbers are not part of keys of {KeyDimension}.");
        _ = Rotary?.Speeds(KeyDimension); // does it fit?
        if (SharedLayer is not { } source)
            return;
        if (source >= layer || geometry[source].SharedLayer is not null)
            throw new ArgumentException($"Layer {layer} shares layer {source}, which must come before it and store keys of its own.");
        if (this with { SharedLayer = null, QueryHeads = geometry[source].QueryHeads } != geometry[source])
            throw new ArgumentException($"Layer {layer} shares layer {source}, which has another shape.");
    }
}
