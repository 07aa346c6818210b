using System.Diagnostics.CodeAnalysis;
using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>The shape of a model's key-value cache: that of its layers, alike unless <see cref="WithLayers"/> changed some.</summary>
public sealed record CacheGeometry
{
    private readonly int _layers = 1;
    private readonly int _kvHeads = 1;
    private readonly int? _queryHeads;
    private readonly int _keyDimension = 1;
    private readonly int _valueDimension = 1;

    // One per layer, null for one like most; null where all are alike.
    private readonly LayerGeometry?[]? _each;

    // The shape that most layers have, made when it is asked for.
    private LayerGeometry? _common;

    /// <summary>A shape; say at least what is required.</summary>
    public CacheGeometry()
    {
    }

    // What is made of the rest is not copied: a copy gets other numbers.
    private CacheGeometry(CacheGeometry other) =>
        (_layers, _kvHeads, _queryHeads, _keyDimension, _valueDimension, Rotary, _each) =
        (other._layers, other._kvHeads, other._queryHeads, other._keyDimension, other._valueDimension, other.Rotary, other._each);

    [SetsRequiredMembers]
    private CacheGeometry(CacheGeometry other, LayerGeometry?[]? each)
        : this(other) => _each = each;

    /// <summary>Transformer layers; a copy with another number of them has layers that are alike.</summary>
    public required int Layers
    {
        get => _layers;
        init
        {
            _layers = Positive(value, nameof(Layers));
            _each = null;
        }
    }

    /// <summary>Key-value heads of a layer (fewer than query heads where queries are grouped).</summary>
    public required int KvHeads { get => _kvHeads; init => _kvHeads = Positive(value, nameof(KvHeads)); }

    /// <summary>Query heads of a layer: a multiple of <see cref="KvHeads"/>, as many as those unless said. Each group of
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

    /// <summary>Whether all layers are alike: the properties above are those of every layer, and each has a memory of its own. Otherwise they are those of layers
    /// that <see cref="WithLayers"/> left alone, and the indexer says what a layer has.</summary>
    public bool IsUniform => _each is null;

    /// <summary>The shape of a layer.</summary>
    /// <param name="layer">0 to <see cref="Layers"/> - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such layer.</exception>
    public LayerGeometry this[int layer] => (uint)layer < (uint)Layers
        ? _each?[layer] ?? Common
        : throw new ArgumentOutOfRangeException(nameof(layer), layer, $"There are layers 0 to {Layers - 1}.");

    /// <summary>Bytes that one token takes in 16-bit floats, all layers and heads, keys and values.</summary>
    public long Fp16BytesPerToken => _each?.Sum(layer => (layer ?? Common).Fp16BytesPerToken) ?? Layers * Common.Fp16BytesPerToken;

    private LayerGeometry Common => _common ??= new()
    {
        KvHeads = KvHeads,
        QueryHeads = QueryHeads,
        KeyDimension = KeyDimension,
        ValueDimension = ValueDimension,
        Rotary = Rotary,
    };

    /// <summary>The same with other layers, for models whose layers differ: sliding windows in some, other heads or dimensions, shared keys.</summary>
    /// <example><code>geometry.WithLayers((layer, shape) => layer % 6 == 5 ? shape : shape with { SlidingWindow = 512 })</code></example>
    /// <param name="change">Given the number of a layer and its shape, says which shape it has.</param>
    public CacheGeometry WithLayers(Func<int, LayerGeometry, LayerGeometry> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        LayerGeometry?[] each = [.. Enumerable.Range(0, Layers).Select(layer => change(layer, this[layer])).Select(shape => shape == Common && shape.Rotary == Rotary ? null : shape)];
        return new(this, Array.TrueForAll(each, shape => shape is null) ? null : each);
    }

    /// <summary>The layers that have keys and values of their own.</summary>
    internal IEnumerable<int> OwnLayers => Enumerable.Range(0, Layers).Where(layer => this[layer].SharedLayer is null);

    /// <summary>Whether layers of two shapes store rows of the same heads and dimensions, however many queries read them and however far those see: what a policy is chosen for.</summary>
    internal bool StoresLike(CacheGeometry other) => Layers == other.Layers && Enumerable.Range(0, Layers).All(layer => this[layer].Stored == other[layer].Stored);

    /// <summary>One of the layers on its own, with a memory of its own.</summary>
    internal CacheGeometry Only(int layer)
    {
        LayerGeometry shape = this[layer];
        return (this with { Layers = 1 }).WithLayers((_, _) => shape with { SharedLayer = null });
    }

    /// <summary>Whether two shapes are the same; query heads that were not said are as many as key-value heads.</summary>
    public bool Equals(CacheGeometry? other) => ReferenceEquals(this, other) || (other is not null && Layers == other.Layers
        && (_each is null && other._each is null ? Common == other.Common : Enumerable.Range(0, Layers).All(layer => this[layer] == other[layer])));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Layers, this[0]);

    internal static int Positive(int value, string name) => value > 0
        ? value
        : throw new ArgumentOutOfRangeException(name, value, "A cache has at least one of each.");
}
