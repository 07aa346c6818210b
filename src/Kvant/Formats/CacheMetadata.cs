using System.Globalization;
using System.Text.Json;
using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Formats;

/// <summary>The strings of a cache file, both ways. They say everything but the rows; docs/formats/cache.md lists them.</summary>
internal sealed class CacheMetadata
{
    /// <summary>The major version; another one is refused.</summary>
    public const string Version = "2";

    private const string VersionKey = "kvant.cache";
    private const string SourcePrefix = "source.";
    private const int KeysPerLayer = 6;

    private readonly Dictionary<string, string> _text;

    private CacheMetadata(Dictionary<string, string> text) => _text = text;

    /// <summary>What a header says, in the order in which it stands in the file.</summary>
    public static OrderedDictionary<string, string> Write(CacheHeader header)
    {
        KvCacheOptions options = header.Options;
        CacheGeometry geometry = options.Geometry;
        OrderedDictionary<string, string> text = new() { [VersionKey] = Version };
        Add("identity.weights", options.Identity?.Weights);
        Add("identity.positions", options.Identity?.Positions);
        Add("identity.note", options.Identity?.Note);
        Add("layers", Text(geometry.Layers));
        Add("kv_heads", Text(geometry.KvHeads));
        Add("query_heads", Text(geometry.QueryHeads));
        Add("key_dimension", Text(geometry.KeyDimension));
        Add("value_dimension", Text(geometry.ValueDimension));
        foreach ((string key, string value) in RotaryText.Write(geometry.Rotary))
            Add(key, value);
        Add("sinks", Text(options.Sinks));
        Add("window", Text(options.Window));
        Add("draft_tokens", Text(options.DraftTokens));
        Add("window_codec", options.WindowCodec?.FullText);
        Add("memory_limit", options.MemoryLimit?.ToString(CultureInfo.InvariantCulture));
        foreach ((string key, string value) in EvictionText.Write(options.Eviction == Eviction.None ? null : options.Eviction))
            Add(key, value);
        Add("queries", header.Queries?.Name());
        foreach ((int layer, LayerExtent extent) in header.Extents.Index())
        {
            foreach ((string key, string value) in LayerGeometryText.Write(geometry, layer))
                Add(Key(layer, key), value);
            foreach ((string key, string value) in EvictionText.Write(options.Policy[layer].Eviction))
                Add(Key(layer, key), value);
            Add(Key(layer, "keys"), options.Policy[layer].Keys.FullText);
            Add(Key(layer, "values"), options.Policy[layer].Values.FullText);
            Add(Key(layer, "tokens"), Text(extent.Length));
            Add(Key(layer, "body_rows"), Text(extent.BodyRows));
            Add(Key(layer, "first_live"), Text(extent.FirstLive));
            Add(Key(layer, "cut_rows"), Text(extent.CutRows));
            Add(Key(layer, "evicted"), extent.Evicted ? Text(1) : null);
            Add(Key(layer, "cut_is_lost"), extent.Lost ? Text(1) : null);
            foreach ((int i, AgeStep step) in options.Policy[layer].Ages.Index())
            {
                Add(AgeKey(layer, i + 1, "age"), Text(step.Age));
                Add(AgeKey(layer, i + 1, "keys"), step.Keys.FullText);
                Add(AgeKey(layer, i + 1, "values"), step.Values.FullText);
                Add(AgeKey(layer, i + 1, "rows"), Text(extent.End(i + 1)));
            }

            Add(Key(layer, "observed_queries"), header.Observed[layer] > 0 ? Text(header.Observed[layer]) : null);
        }

        foreach ((string key, string value) in header.Source.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            Add(SourcePrefix + key, value);
        return text;

        void Add(string key, string? value)
        {
            if (value is not null)
                text.Add(key, value);
        }
    }

    /// <summary>Finds the strings in a header and checks the version.</summary>
    /// <exception cref="InvalidDataException">There are none, or they are of another version.</exception>
    public static CacheMetadata Parse(in ChecksummedReader reader, ReadOnlySpan<byte> header)
    {
        Dictionary<string, string> text = [];
        var json = new Utf8JsonReader(header);
        try
        {
            // Metadata come first. Whatever else is odd shows when the header is made again.
            bool found = json.Read() && json.TokenType == JsonTokenType.StartObject
                && json.Read() && json.ValueTextEquals(SafetensorsHeader.MetadataName) && json.Read() && json.TokenType == JsonTokenType.StartObject;
            while (found && json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                string key = json.GetString()!;
                json.Read();
                text.Add(key, json.GetString()!);
            }
        }
        catch (Exception broken) when (broken is JsonException or InvalidOperationException or ArgumentException)
        {
            throw reader.InvalidData($"no cache: the header is not valid at byte {SafetensorsHeader.Start + json.BytesConsumed}", broken);
        }

        string version = text.GetValueOrDefault(VersionKey) ?? throw reader.InvalidData($"no cache: the metadata '{VersionKey}' is missing");
        return version == Version ? new CacheMetadata(text) : throw reader.InvalidData($"a cache of version {version}; version {Version} is known");
    }

    /// <summary>The header that has these strings.</summary>
    /// <exception cref="FormatException">A string is missing or means nothing.</exception>
    /// <exception cref="ArgumentException">They do not fit together.</exception>
    public CacheHeader CreateHeader()
    {
        int layers = Number("layers");
        if (layers > _text.Count / KeysPerLayer)
            throw new FormatException($"{layers} layers do not fit {_text.Count} strings.");
        var options = new KvCacheOptions
        {
            Geometry = LayerGeometryText.Read(_text, new CacheGeometry
            {
                Layers = layers,
                KvHeads = Number("kv_heads"),
                QueryHeads = Number("query_heads"),
                KeyDimension = Number("key_dimension"),
                ValueDimension = Number("value_dimension"),
                Rotary = RotaryText.Read(_text),
            }),
            Policy = new LayerPolicy(Enumerable.Range(0, layers).Select(layer =>
                new LayerSpecs(Spec(Key(layer, "keys")), Spec(Key(layer, "values"))) { Ages = Ages(layer), Eviction = EvictionText.Read(_text, Key(layer, "")) })),
            Sinks = Number("sinks"),
            Window = Number("window"),
            DraftTokens = Number("draft_tokens"),
            WindowCodec = _text.ContainsKey("window_codec") ? Spec("window_codec") : null,
            MemoryLimit = _text.TryGetValue("memory_limit", out string? limit) ? long.Parse(limit, NumberStyles.None, CultureInfo.InvariantCulture) : null,
            Eviction = EvictionText.Read(_text) ?? Eviction.None,
            Identity = Identity(),
        };
        PolicyCost.RequireFewSteps(options.Policy, options.Geometry);
        LayerLayout[] layouts = LayerLayouts.Create(options);
        var extents = new LayerExtent[layers];
        int[] observed = new int[layers];
        for (int layer = 0; layer < layers; layer++)
        {
            extents[layer] = new(Number(Key(layer, "tokens")), Number(Key(layer, "body_rows")), Number(Key(layer, "first_live")), Number(Key(layer, "cut_rows")), _text.ContainsKey(Key(layer, "evicted")), _text.ContainsKey(Key(layer, "cut_is_lost")))
            {
                // A layer that shares another's rows has that one's steps, whatever its own codecs would be.
                Older = options.Geometry[layer].SharedLayer is { } owner && owner < layer ? extents[owner].Older : Older(layer, options.Policy[layer].Ages.Count),
            };
            if (!layouts[layer].IsPossible(extents[layer]))
                throw new FormatException($"Layer {layer} cannot be {extents[layer]}.");
            if (options.Geometry[layer].SharedLayer is { } source && extents[layer] != extents[source])
                throw new FormatException($"Layer {layer} shares layer {source} and cannot be {extents[layer]}.");
            observed[layer] = _text.ContainsKey(Key(layer, "observed_queries")) ? Number(Key(layer, "observed_queries")) : 0;
            if (observed[layer] > QueryEnergies.MostTokens(layouts[layer]))
                throw new FormatException($"Layer {layer} cannot have heard of the queries of {observed[layer]} tokens.");
        }

        return new CacheHeader(options, layouts, extents, observed, Queries(), Source());
    }

    private static string Key(int layer, string what) => string.Create(CultureInfo.InvariantCulture, $"layers.{layer}.{what}");

    private static string AgeKey(int layer, int step, string what) => string.Create(CultureInfo.InvariantCulture, $"layers.{layer}.ages.{step}.{what}");

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private string Required(string key) => _text.GetValueOrDefault(key) ?? throw new FormatException($"The metadata '{key}' is missing.");

    private int Number(string key) => int.TryParse(Required(key), NumberStyles.None, CultureInfo.InvariantCulture, out int number)
        ? number
        : throw new FormatException($"The metadata '{key}' is '{_text[key]}'; a whole number from 0 to {int.MaxValue} is wanted.");

    // A step follows the other until one is missing.
    private AgeStep[] Ages(int layer)
    {
        List<AgeStep> ages = [];
        for (int step = 1; step <= LayerSpecs.MostAges && _text.ContainsKey(AgeKey(layer, step, "age")); step++)
            ages.Add(new(Number(AgeKey(layer, step, "age")), Spec(AgeKey(layer, step, "keys")), Spec(AgeKey(layer, step, "values"))));
        return [.. ages];
    }

    private StepEnds Older(int layer, int steps)
    {
        StepEnds ends = default;
        for (int step = 1; step <= steps; step++)
            ends[step - 1] = Number(AgeKey(layer, step, "rows"));
        return ends;
    }

    private CodecSpec Spec(string key) => CodecSpec.Parse(Required(key));

    private CacheIdentity? Identity()
    {
        string? weights = _text.GetValueOrDefault("identity.weights"), positions = _text.GetValueOrDefault("identity.positions"), note = _text.GetValueOrDefault("identity.note");
        return (weights ?? positions ?? note) is null ? null : new() { Weights = weights, Positions = positions, Note = note };
    }

    private ElementType? Queries() => !_text.TryGetValue("queries", out string? name) ? null
        : ElementTypes.TryParse(name, out ElementType type) && type is ElementType.F16 or ElementType.F32 ? type
        : throw new FormatException($"The metadata 'queries' is '{name}'; F16 or F32 is wanted.");

    private Dictionary<string, string> Source() => _text.Where(pair => pair.Key.StartsWith(SourcePrefix, StringComparison.Ordinal))
        .ToDictionary(pair => pair.Key[SourcePrefix.Length..], pair => pair.Value);
}
