using Kvant.Caching;
using Kvant.LlamaCpp.States;

namespace Kvant.LlamaCpp.Compression;

/// <summary>Finds how the numbers of a row are heads: by the model's shape where it is known, else by their number.</summary>
internal static class RowShapes
{
    // What heads of today's models have, the likeliest first.
    private static ReadOnlySpan<int> Likely => [128, 64, 256, 96, 80, 112, 32, 16];

    /// <summary>The shapes of a cache's layers.</summary>
    /// <param name="parts">The state's caches.</param>
    /// <param name="part">Which of them.</param>
    /// <param name="geometry">The model's shape; null where nobody knows.</param>
    /// <exception cref="ArgumentException">The state is not of a model of this shape.</exception>
    public static LayerGeometry[] Of(IReadOnlyList<AttentionPart> parts, int part, CacheGeometry? geometry)
    {
        LayerRows[] rows = parts[part].Layers;
        if (geometry is null)
            return Array.ConvertAll(rows, Guess);
        LayerGeometry[] own = [.. geometry.OwnLayers.Select(layer => geometry[layer])];
        // Of a model with sliding windows the first cache has the layers that see everything.
        LayerGeometry[] chosen = parts.Count == 1 ? own : [.. own.Where(shape => shape.SlidingWindow > 0 == part > 0)];
        if (chosen.Length != rows.Length && parts.Count > 1 && own.Length == parts.Sum(p => p.Layers.Length))
        {
            // Which layers have windows is not said: heads are as everywhere, and how positions turn those is not known.
            chosen = [.. Enumerable.Repeat(own[0] with { Rotary = part == 0 ? own[0].Rotary : null }, rows.Length)];
        }

        if (chosen.Length != rows.Length)
            throw new ArgumentException($"The model has {own.Length} layers with keys and values of their own, {chosen.Length} in the place of the {rows.Length} of this state.");
        return [.. chosen.Select((shape, layer) => Shape(shape, rows[layer], layer))];
    }

    private static LayerGeometry Shape(LayerGeometry shape, LayerRows rows, int layer)
    {
        int heads = rows.KeyWidth / shape.KeyDimension;
        if (rows.KeyWidth % shape.KeyDimension != 0 || (long)heads * shape.ValueDimension != rows.ValueWidth)
            throw new ArgumentException($"Layer {layer} has rows of {rows.KeyWidth} and {rows.ValueWidth} numbers; the model's heads have {shape.KeyDimension} and {shape.ValueDimension}.");
        return Plain(heads, shape.KeyDimension, shape.ValueDimension) with { Rotary = shape.Rotary };
    }

    private static LayerGeometry Guess(LayerRows rows)
    {
        foreach (int dimension in Likely)
        {
            if (rows.KeyWidth == rows.ValueWidth && rows.KeyWidth % dimension == 0)
                return Plain(rows.KeyWidth / dimension, dimension, dimension);
        }

        int heads = 1;
        while (rows.KeyWidth / heads > Likely[0] && heads < rows.KeyWidth)
            heads++;
        while (rows.KeyWidth % heads != 0 || rows.ValueWidth % heads != 0)
            heads--;
        return Plain(heads, rows.KeyWidth / heads, rows.ValueWidth / heads);
    }

    private static LayerGeometry Plain(int heads, int keys, int values) => new() { KvHeads = heads, KeyDimension = keys, ValueDimension = values };
}
