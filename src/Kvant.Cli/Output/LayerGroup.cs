using System.Globalization;
using System.Text.Json;
using Kvant.Caching;
using Kvant.Formats;

namespace Kvant.Cli.Output;

/// <summary>Layers of a cache file that have the same shape and the same codecs, wherever they stand.</summary>
/// <param name="Layers">Their numbers, ascending.</param>
/// <param name="Shape">The shape.</param>
/// <param name="Specs">The codecs.</param>
/// <param name="Statistics">What all of them take.</param>
internal sealed record LayerGroup(IReadOnlyList<int> Layers, LayerGeometry Shape, LayerSpecs Specs, CacheStatistics Statistics)
{
    /// <summary>How a table and JSON show them.</summary>
    public static IReadOnlyList<Column<LayerGroup>> Columns { get; } =
    [
        Column<LayerGroup>.OfValue("layers", "layers", g => Ranges(g.Layers), WriteLayers),
        Column<LayerGroup>.OfInteger("kvHeads", "kv heads", g => g.Shape.KvHeads),
        Column<LayerGroup>.OfInteger("queryHeads", "query heads", g => g.Shape.QueryHeads, minor: true),
        Column<LayerGroup>.OfInteger("keyDimension", "key dimension", g => g.Shape.KeyDimension),
        Column<LayerGroup>.OfInteger("valueDimension", "value dimension", g => g.Shape.ValueDimension),
        Column<LayerGroup>.OfInteger("slidingWindow", "", g => g.Shape.SlidingWindow),
        Column<LayerGroup>.OfValue("valuesInKeys", "", _ => "", (json, g) => json.WriteBooleanValue(g.Shape.ValuesInKeys)),
        Column<LayerGroup>.OfValue("sharedLayer", "", _ => "", WriteShared),
        Column<LayerGroup>.OfText("", "sees", g => g.Shape.SlidingWindow == 0 ? "all" : string.Create(CultureInfo.InvariantCulture, $"newest {g.Shape.SlidingWindow}")),
        Column<LayerGroup>.OfSpec("", "keys", g => g.Shape.SharedLayer is { } shared ? string.Create(CultureInfo.InvariantCulture, $"those of layer {shared}") : g.Specs.Keys.ToString()),
        Column<LayerGroup>.OfSpec("", "values", g => g.Shape.SharedLayer is not null ? "" : g.Shape.ValuesInKeys ? "in the keys" : g.Specs.Values.ToString()),
        Column<LayerGroup>.OfText("keys", "", g => g.Specs.Keys.FullText),
        Column<LayerGroup>.OfText("values", "", g => g.Specs.Values.FullText),
        Column<LayerGroup>.OfText("ages", "by age", g => string.Join("; ", g.Specs.Ages)),
        Column<LayerGroup>.OfInteger("liveRows", "living tokens", g => g.Statistics.LiveRows, minor: true),
        Column<LayerGroup>.OfInteger("bytes", "bytes", g => CacheColumns.Stored(g.Statistics)),
        Column<LayerGroup>.OfInteger("fp16Bytes", "as fp16", g => g.Statistics.Fp16Bytes, minor: true),
    ];

    /// <summary>The groups of a file, by their first layers.</summary>
    public static IReadOnlyList<LayerGroup> Of(CacheFile file) =>
    [
        .. Enumerable.Range(0, file.Options.Geometry.Layers)
            .GroupBy(layer => (Shape: file.Options.Geometry[layer], Specs: file.Options.Policy[layer]))
            .Select(g => new LayerGroup([.. g], g.Key.Shape, g.Key.Specs, CacheStatistics.Sum(g.Select(file.StatisticsOf)))),
    ];

    private static string Ranges(IReadOnlyList<int> layers)
    {
        List<(int First, int Last)> ranges = [];
        foreach (int layer in layers)
        {
            if (ranges.Count > 0 && ranges[^1].Last == layer - 1)
                ranges[^1] = (ranges[^1].First, layer);
            else
                ranges.Add((layer, layer));
        }

        return string.Join(", ", ranges.Select(r => r.First == r.Last ? string.Create(CultureInfo.InvariantCulture, $"{r.First}") : string.Create(CultureInfo.InvariantCulture, $"{r.First} to {r.Last}")));
    }

    private static void WriteLayers(Utf8JsonWriter json, LayerGroup group)
    {
        json.WriteStartArray();
        foreach (int layer in group.Layers)
            json.WriteNumberValue(layer);
        json.WriteEndArray();
    }

    private static void WriteShared(Utf8JsonWriter json, LayerGroup group)
    {
        if (group.Shape.SharedLayer is { } shared)
            json.WriteNumberValue(shared);
        else
            json.WriteNullValue();
    }
}
