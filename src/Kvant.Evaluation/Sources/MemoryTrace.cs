using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Evaluation.Sources;

/// <summary>A trace whose numbers are already in memory: synthetic ones, or what a program recorded itself.</summary>
internal sealed class MemoryTrace : ITraceSource
{
    private readonly float[][] _keys, _values, _queries;

    /// <summary>A trace over arrays that the caller keeps; they are not copied.</summary>
    /// <param name="geometry">Layers, heads and dimensions.</param>
    /// <param name="tokens">Tokens, at least 1.</param>
    /// <param name="keys">One array per layer, [kv head, token, key dimension].</param>
    /// <param name="values">One array per layer, [kv head, token, value dimension].</param>
    /// <param name="queries">One array per layer, [query head, token, key dimension], or null where there are none.</param>
    /// <param name="queryHeads">Query heads, a multiple of the kv heads; 0 without queries.</param>
    /// <exception cref="ArgumentException">An array has another length than the shape asks for.</exception>
    public MemoryTrace(CacheGeometry geometry, int tokens, float[][] keys, float[][] values, float[][]? queries = null, int queryHeads = 0)
    {
        ArgumentNullException.ThrowIfNull(geometry);
        ArgumentOutOfRangeException.ThrowIfLessThan(tokens, 1);
        if (queries is null ? queryHeads != 0 : queryHeads < 1 || queryHeads % geometry.KvHeads != 0)
            throw new ArgumentException($"There are {queryHeads} query heads; a multiple of {geometry.KvHeads} is wanted, or 0 and no queries.", nameof(queryHeads));
        (Geometry, Tokens, QueryHeads) = (geometry, tokens, queryHeads);
        _keys = Check(keys, geometry.KvHeads * geometry.KeyDimension, nameof(keys));
        _values = Check(values, geometry.KvHeads * geometry.ValueDimension, nameof(values));
        _queries = queries is null ? [] : Check(queries, queryHeads * geometry.KeyDimension, nameof(queries));
        SoftmaxScale = 1 / Math.Sqrt(geometry.KeyDimension);
    }

    /// <summary>Layers, heads and dimensions.</summary>
    public CacheGeometry Geometry { get; }

    /// <inheritdoc/>
    public string Name { get; init; } = "memory";

    /// <inheritdoc/>
    public int Layers => Geometry.Layers;

    /// <inheritdoc/>
    public RotaryEmbedding? Rotary => Geometry.Rotary;

    /// <inheritdoc/>
    public int KvHeads => Geometry.KvHeads;

    /// <inheritdoc/>
    public int QueryHeads { get; }

    /// <inheritdoc/>
    public int Tokens { get; }

    /// <inheritdoc/>
    public int KeyDimension => Geometry.KeyDimension;

    /// <inheritdoc/>
    public int ValueDimension => Geometry.ValueDimension;

    /// <inheritdoc/>
    public bool HasQueries => _queries.Length > 0;

    /// <summary>What dot products are multiplied by before the softmax; 1 / sqrt(key dimension) unless set.</summary>
    public double SoftmaxScale { get; init; }

    /// <inheritdoc/>
    public void ReadKeys(int layer, int kvHead, Span<float> rows) => Head(_keys, layer, kvHead, KeyDimension).CopyTo(rows);

    /// <inheritdoc/>
    public void ReadValues(int layer, int kvHead, Span<float> rows) => Head(_values, layer, kvHead, ValueDimension).CopyTo(rows);

    /// <inheritdoc/>
    public void ReadQueries(int layer, int head, Span<float> rows)
    {
        if (!HasQueries)
            throw new InvalidOperationException("This trace has no queries.");
        Head(_queries, layer, head, KeyDimension).CopyTo(rows);
    }

    private ReadOnlySpan<float> Head(float[][] layers, int layer, int head, int dimension) =>
        layers[layer].AsSpan(head * Tokens * dimension, Tokens * dimension);

    private float[][] Check(float[][] layers, int floatsPerToken, string name)
    {
        if (layers.Length != Layers)
            throw new ArgumentException($"There are {layers.Length} layers of {name}; the geometry has {Layers}.", name);
        for (int i = 0; i < layers.Length; i++)
        {
            if (layers[i].Length != (long)floatsPerToken * Tokens)
                throw new ArgumentException($"Layer {i} has {layers[i].Length} floats of {name}; {(long)floatsPerToken * Tokens} are wanted.", name);
        }

        return layers;
    }
}
