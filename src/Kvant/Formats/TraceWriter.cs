using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Formats;

/// <summary>
/// Writes a <see cref="Trace"/>, head by head in a fixed order: per layer the keys of all heads, the values of all heads,
/// the queries of all query heads. The file appears whole on <see cref="Commit"/> or not at all.
/// </summary>
public sealed class TraceWriter : IDisposable
{
    private readonly SafetensorsWriter _writer;
    private readonly HeadSequence _sequence;
    private readonly CacheGeometry _geometry;
    private readonly int _tokens;
    private readonly ElementType _elementType;

    private TraceWriter(SafetensorsWriter writer, CacheGeometry geometry, int tokens, int queryHeads, ElementType elementType)
    {
        _writer = writer;
        _geometry = geometry;
        _tokens = tokens;
        _elementType = elementType;
        _sequence = new HeadSequence(geometry.Layers, geometry.KvHeads, queryHeads);
    }

    /// <summary>Begins a trace.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="geometry">Layers, key-value heads and dimensions, and how positions turned keys, if that is known.</param>
    /// <param name="tokens">How many tokens, at least 1.</param>
    /// <param name="queryHeads">Query heads, a multiple of the key-value heads; 0 for a trace without queries.</param>
    /// <param name="elementType">F16 or F32.</param>
    /// <param name="metadata">More strings for the file, such as <c>softmax_scale</c>.</param>
    /// <exception cref="ArgumentException">The shapes do not fit together.</exception>
    /// <exception cref="IOException">The file cannot be created.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written.</exception>
    public static TraceWriter Create(string path, CacheGeometry geometry, int tokens, int queryHeads = 0, ElementType elementType = ElementType.F16, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(geometry);
        if (!geometry.IsUniform)
            throw new ArgumentException("The layers differ; those of a trace are alike.", nameof(geometry));
        ArgumentOutOfRangeException.ThrowIfLessThan(geometry.Layers, 1, nameof(geometry));
        ArgumentOutOfRangeException.ThrowIfLessThan(geometry.KvHeads, 1, nameof(geometry));
        ArgumentOutOfRangeException.ThrowIfLessThan(geometry.KeyDimension, 1, nameof(geometry));
        ArgumentOutOfRangeException.ThrowIfLessThan(geometry.ValueDimension, 1, nameof(geometry));
        ArgumentOutOfRangeException.ThrowIfLessThan(tokens, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(queryHeads);
        if (queryHeads % geometry.KvHeads != 0) throw new ArgumentException($"{queryHeads} query heads are no multiple of {geometry.KvHeads} key-value heads", nameof(queryHeads));
        if (elementType is not (ElementType.F16 or ElementType.F32)) throw new ArgumentException($"a trace is written as F16 or F32, not {elementType}", nameof(elementType));
        List<TensorDeclaration> tensors = [];
        for (int layer = 0; layer < geometry.Layers; layer++)
        {
            tensors.Add(new TensorDeclaration(TraceLayer.KeyName(layer), elementType, geometry.KvHeads, tokens, geometry.KeyDimension));
            tensors.Add(new TensorDeclaration(TraceLayer.ValueName(layer), elementType, geometry.KvHeads, tokens, geometry.ValueDimension));
            if (queryHeads > 0) tensors.Add(new TensorDeclaration(TraceLayer.QueryName(layer), elementType, queryHeads, tokens, geometry.KeyDimension));
        }
        return new TraceWriter(SafetensorsWriter.Create(path, tensors, WithVersion(metadata, geometry.Rotary)), geometry, tokens, queryHeads, elementType);
    }

    /// <summary>Writes all keys of one head: tokens x key dimension numbers.</summary>
    /// <exception cref="ArgumentException">The length is wrong, or a number is not finite or does not fit F16.</exception>
    /// <exception cref="InvalidOperationException">Another head comes next.</exception>
    public void WriteKeys(int layer, int kvHead, ReadOnlySpan<float> rows) => Write(layer, HeadKind.Key, kvHead, rows);

    /// <summary>Writes all values of one head: tokens x value dimension numbers.</summary>
    /// <exception cref="ArgumentException">The length is wrong, or a number is not finite or does not fit F16.</exception>
    /// <exception cref="InvalidOperationException">Another head comes next.</exception>
    public void WriteValues(int layer, int kvHead, ReadOnlySpan<float> rows) => Write(layer, HeadKind.Value, kvHead, rows);

    /// <summary>Writes all queries of one query head: tokens x key dimension numbers.</summary>
    /// <exception cref="ArgumentException">The length is wrong, or a number is not finite or does not fit F16.</exception>
    /// <exception cref="InvalidOperationException">Another head comes next.</exception>
    public void WriteQueries(int layer, int head, ReadOnlySpan<float> rows) => Write(layer, HeadKind.Query, head, rows);

    /// <summary>Puts the complete file in its place.</summary>
    /// <exception cref="InvalidOperationException">Heads are missing; no file is left.</exception>
    /// <exception cref="IOException">The file could not be flushed or renamed.</exception>
    public void Commit() => _writer.Commit();

    /// <summary>Removes the temporary file unless it was committed. May be called twice.</summary>
    public void Dispose() => _writer.Dispose();

    private static OrderedDictionary<string, string> WithVersion(IReadOnlyDictionary<string, string>? metadata, RotaryEmbedding? rotary)
    {
        OrderedDictionary<string, string> all = new() { [Trace.VersionKey] = Trace.Version };
        foreach ((string key, string value) in metadata ?? new Dictionary<string, string>()) all.TryAdd(key, value);
        foreach ((string key, string value) in RotaryText.Write(rotary)) all.TryAdd(key, value);
        return all;
    }

    internal void Write(int layer, HeadKind kind, int head, ReadOnlySpan<float> rows)
    {
        _sequence.RequireNext(layer, kind, head);
        int dimension = kind == HeadKind.Value ? _geometry.ValueDimension : _geometry.KeyDimension;
        HeadRows.RequireLength(rows.Length, _tokens, dimension, nameof(rows));
        HeadRows.RequireStorable(_elementType, layer, kind, head, dimension, rows);
        HeadRows.Write(_writer, _elementType, rows);
        _sequence.Advance();
    }
}
