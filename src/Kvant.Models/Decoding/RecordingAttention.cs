using System.Runtime.InteropServices;

namespace Kvant.Models.Decoding;

/// <summary>
/// Attention that remembers what a decoder gave it: the queries, keys and values of every layer, for traces and for measuring
/// codecs on real numbers. What is computed is what the attention inside computes. Memory grows with every token until <see cref="Clear"/>.
/// One thread at a time.
/// </summary>
internal sealed class RecordingAttention : IAttention
{
    private readonly IAttention _inner;
    private readonly Recording[] _layers;

    /// <summary>Begins an empty recording.</summary>
    /// <param name="inner">What attends.</param>
    /// <param name="layers">How many layers the model has, 1 or more.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are no layers.</exception>
    public RecordingAttention(IAttention inner, int layers)
    {
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentOutOfRangeException.ThrowIfLessThan(layers, 1);
        _inner = inner;
        _layers = [.. Enumerable.Range(0, layers).Select(static _ => new Recording([], [], []))];
    }

    /// <inheritdoc/>
    public int Length => _inner.Length;

    /// <inheritdoc/>
    public long Changes => _inner.Changes;

    /// <inheritdoc/>
    public void Require(LanguageModel model) => _inner.Require(model);

    /// <inheritdoc/>
    public void Attend(int layer, ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, Span<float> outputs)
    {
        Recording recording = At(layer);
        // First the part that may refuse, so that no refused token is remembered.
        _inner.Attend(layer, queries, keys, values, outputs);
        recording.Queries.AddRange(queries);
        recording.Keys.AddRange(keys);
        recording.Values.AddRange(values);
    }

    /// <summary>The queries of a layer, turned by their positions: [token, query head, number].</summary>
    /// <param name="layer">0 to layers - 1.</param>
    /// <returns>A view that is valid until the next token or <see cref="Clear"/>.</returns>
    public ReadOnlySpan<float> Queries(int layer) => CollectionsMarshal.AsSpan(At(layer).Queries);

    /// <summary>The keys of a layer, turned by their positions: [token, key-value head, number].</summary>
    /// <inheritdoc cref="Queries"/>
    public ReadOnlySpan<float> Keys(int layer) => CollectionsMarshal.AsSpan(At(layer).Keys);

    /// <summary>The values of a layer: [token, key-value head, number].</summary>
    /// <inheritdoc cref="Queries"/>
    public ReadOnlySpan<float> Values(int layer) => CollectionsMarshal.AsSpan(At(layer).Values);

    /// <summary>Forgets everything. The attention inside is not touched.</summary>
    public void Clear()
    {
        foreach (Recording layer in _layers)
        {
            layer.Queries.Clear();
            layer.Keys.Clear();
            layer.Values.Clear();
        }
    }

    private Recording At(int layer) => (uint)layer < (uint)_layers.Length
        ? _layers[layer]
        : throw new ArgumentOutOfRangeException(nameof(layer), layer, $"there are layers 0 to {_layers.Length - 1}");

    private sealed record Recording(List<float> Queries, List<float> Keys, List<float> Values);
}
