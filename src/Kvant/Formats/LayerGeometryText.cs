using System.Globalization;
using Kvant.Caching;

namespace Kvant.Formats;

/// <summary>What makes a layer's shape another one than that of most layers, as strings of a file's metadata, both ways.</summary>
internal static class LayerGeometryText
{
    private const string NoRotary = "rotary.none";

    /// <summary>The strings of a layer; none where it is like most.</summary>
    public static IEnumerable<(string Key, string Value)> Write(CacheGeometry geometry, int layer)
    {
        foreach ((string key, int value) in Numbers(geometry, layer))
            yield return (key, value.ToString(CultureInfo.InvariantCulture));
        LayerGeometry shape = geometry[layer];
        if (shape.Rotary == geometry.Rotary)
            yield break;
        if (shape.Rotary is null)
            yield return (NoRotary, "1");
        foreach ((string key, string value) in RotaryText.Write(shape.Rotary))
            yield return (key, value);
    }

    /// <summary>Those of them that are numbers: all but how positions turn keys.</summary>
    public static IEnumerable<(string Key, int Value)> Numbers(CacheGeometry geometry, int layer)
    {
        LayerGeometry shape = geometry[layer];
        (string Key, int Value, int Common)[] numbers =
        [
            ("kv_heads", shape.KvHeads, geometry.KvHeads),
            ("query_heads", shape.QueryHeads, geometry.QueryHeads),
            ("key_dimension", shape.KeyDimension, geometry.KeyDimension),
            ("value_dimension", shape.ValueDimension, geometry.ValueDimension),
            ("sliding_window", shape.SlidingWindow, 0),
            ("values_in_keys", shape.ValuesInKeys ? 1 : 0, 0),
            ("shared_layer", shape.SharedLayer ?? -1, -1),
        ];
        return numbers.Where(number => number.Value != number.Common).Select(number => (number.Key, number.Value));
    }

    /// <summary>A geometry with what the strings say of its layers.</summary>
    /// <param name="text">All strings.</param>
    /// <param name="geometry">The shape of most layers; there are strings enough for so many.</param>
    /// <exception cref="FormatException">A string means nothing.</exception>
    /// <exception cref="ArgumentException">A number is impossible.</exception>
    public static CacheGeometry Read(IReadOnlyDictionary<string, string> text, CacheGeometry geometry) => geometry.WithLayers((layer, shape) =>
    {
        string before = string.Create(CultureInfo.InvariantCulture, $"layers.{layer}.");
        return shape with
        {
            KvHeads = Number("kv_heads") ?? shape.KvHeads,
            QueryHeads = Number("query_heads") ?? shape.QueryHeads,
            KeyDimension = Number("key_dimension") ?? shape.KeyDimension,
            ValueDimension = Number("value_dimension") ?? shape.ValueDimension,
            SlidingWindow = Number("sliding_window") ?? 0,
            ValuesInKeys = Number("values_in_keys") is 1,
            SharedLayer = Number("shared_layer"),
            Rotary = text.ContainsKey(before + NoRotary) ? null : RotaryText.Read(text, before) ?? shape.Rotary,
        };

        int? Number(string key) => !text.TryGetValue(before + key, out string? said) ? null
            : int.TryParse(said, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number
            : throw new FormatException($"The metadata '{before}{key}' is '{said}'; a whole number is wanted.");
    });
}
