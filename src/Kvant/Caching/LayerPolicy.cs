using System.Collections;
using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>Which codecs each layer uses: one entry per layer, in order. Any list of <see cref="LayerSpecs"/> is a policy.</summary>
public sealed class LayerPolicy : IReadOnlyList<LayerSpecs>
{
    private readonly LayerSpecs[] _layers;

    /// <summary>A policy from an explicit list.</summary>
    /// <param name="layers">One entry per layer, at least one.</param>
    /// <exception cref="ArgumentException">The list is empty.</exception>
    public LayerPolicy(IEnumerable<LayerSpecs> layers)
    {
        _layers = [.. layers];
        if (_layers.Length == 0)
            throw new ArgumentException("A policy needs at least one layer.", nameof(layers));
    }

    /// <summary>Number of layers.</summary>
    public int Count => _layers.Length;

    /// <summary>How one layer is compressed.</summary>
    /// <param name="layer">0 to <see cref="Count"/> - 1.</param>
    public LayerSpecs this[int layer] => _layers[layer];

    /// <summary>The same codecs in every layer.</summary>
    /// <param name="layers">Number of layers, at least 1.</param>
    /// <param name="keys">The codec of the keys.</param>
    /// <param name="values">The codec of the values.</param>
    public static LayerPolicy Uniform(int layers, CodecSpec keys, CodecSpec values)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(layers, 1);
        return new(Enumerable.Repeat(new LayerSpecs(keys, values), layers));
    }

    /// <summary>The same in every layer.</summary>
    /// <param name="layers">Number of layers, at least 1.</param>
    /// <param name="specs">How each is compressed.</param>
    public static LayerPolicy Uniform(int layers, LayerSpecs specs)
    {
        ArgumentNullException.ThrowIfNull(specs);
        ArgumentOutOfRangeException.ThrowIfLessThan(layers, 1);
        return new(Enumerable.Repeat(specs, layers));
    }

    /// <summary>
    /// The same policy with other codecs in the first and last layers, which lose the most from coarse codes.
    /// At most half of the layers on each side, so that no layer counts twice.
    /// </summary>
    /// <param name="boundary">Layers on each side.</param>
    /// <param name="keys">Their key codec, or null to leave it.</param>
    /// <param name="values">Their value codec, or null to leave it.</param>
    public LayerPolicy WithBoundary(int boundary, CodecSpec? keys, CodecSpec? values = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(boundary);
        int n = Math.Min(boundary, Count / 2);
        return new(_layers.Select((specs, layer) => layer < n || layer >= Count - n
            ? specs.With(keys, values)
            : specs));
    }

    /// <inheritdoc/>
    public IEnumerator<LayerSpecs> GetEnumerator() => ((IEnumerable<LayerSpecs>)_layers).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
