using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Formats;

/// <summary>Policies as JSON files (docs/formats/policy.md, with a schema beside it).</summary>
public static class CachePolicyFile
{
    private const string Format = "kvant.policy";
    private const int Version = 1;
    private const int VersionWithAges = 2;
    private const int MostBytes = 16 << 20;

    /// <summary>Writes a policy; the file appears whole or not at all.</summary>
    /// <param name="path">Where; a file that is there is replaced.</param>
    /// <param name="policy">What to write.</param>
    /// <exception cref="ArgumentException">A layer has a rule of its own for what it forgets.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Save(string path, CachePolicy policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        if (policy.Layers.Any(layer => layer.Eviction is not null))
            throw new ArgumentException("A layer has an eviction of its own; a policy file has no place for that.", nameof(policy));
        using AtomicFile file = AtomicFile.Create(path);
        using (var json = new Utf8JsonWriter(file.Stream, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
            Write(json, policy);
        file.Stream.Write("\n"u8);
        file.Commit();
    }

    /// <summary>Reads a policy.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidDataException">It is no policy file, of a later version, or says something impossible.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static CachePolicy Load(string path)
    {
        var info = new FileInfo(path);
        if (info.Exists && info.Length > MostBytes)
            throw new InvalidDataException($"{path}: {info.Length} bytes found, at most {MostBytes} are a policy");
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(path));
            return Read(json.RootElement);
        }
        catch (Exception e) when (e is JsonException or FormatException or KeyNotFoundException or InvalidOperationException or ArgumentException)
        {
            throw new InvalidDataException($"{path}: no valid policy: {e.Message}", e);
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"{path}: {e.Message}", e);
        }
    }

    /// <summary>The hash that binds a policy to a file.</summary>
    /// <param name="paths">A model or a trace; all parts of a model that was split, in their order.</param>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static string HashOf(params ReadOnlySpan<string> paths)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] piece = new byte[1 << 20];
        foreach (string path in paths)
        {
            using FileStream stream = File.OpenRead(path);
            for (int count = stream.Read(piece); count > 0; count = stream.Read(piece))
                hash.AppendData(piece, 0, count);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static void Write(Utf8JsonWriter json, CachePolicy policy)
    {
        json.WriteStartObject();
        json.WriteString("format", Format);
        json.WriteNumber("version", policy.Layers.Any(layer => layer.Ages.Count > 0) ? VersionWithAges : Version);
        if (policy.SourceHash is { } hash)
            json.WriteString("source_sha256", hash);
        json.WriteStartObject("geometry");
        json.WriteNumber("layers", policy.Geometry.Layers);
        json.WriteNumber("kv_heads", policy.Geometry.KvHeads);
        json.WriteNumber("query_heads", policy.Geometry.QueryHeads);
        json.WriteNumber("key_dimension", policy.Geometry.KeyDimension);
        json.WriteNumber("value_dimension", policy.Geometry.ValueDimension);
        json.WriteEndObject();
        json.WriteNumber("sinks", policy.Sinks);
        json.WriteNumber("window", policy.Window);
        json.WriteStartArray("layers");
        foreach ((int i, LayerSpecs layer) in policy.Layers.Index())
        {
            json.WriteStartObject();
            foreach ((string key, int value) in LayerGeometryText.Numbers(policy.Geometry, i))
                json.WriteNumber(key, value);
            json.WriteString("keys", layer.Keys.FullText);
            json.WriteString("values", layer.Values.FullText);
            if (layer.Ages.Count > 0)
                WriteAges(json, layer.Ages);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartObject("notes");
        foreach ((string name, string value) in policy.Notes)
            json.WriteString(name, value);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteAges(Utf8JsonWriter json, IEnumerable<AgeStep> ages)
    {
        json.WriteStartArray("ages");
        foreach (AgeStep step in ages)
        {
            json.WriteStartObject();
            json.WriteNumber("age", step.Age);
            json.WriteString("keys", step.Keys.FullText);
            json.WriteString("values", step.Values.FullText);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static CachePolicy Read(JsonElement json)
    {
        if (!json.TryGetProperty("format", out JsonElement format) || format.GetString() != Format)
            throw new InvalidDataException($"no policy: the field 'format' is not '{Format}'");
        int version = Number(json, "version", 1);
        if (version is not (Version or VersionWithAges))
            throw new InvalidDataException($"version {version} found, {Version} and {VersionWithAges} are known");
        JsonElement shape = json.GetProperty("geometry");
        var geometry = new CacheGeometry
        {
            Layers = Number(shape, "layers", 1),
            KvHeads = Number(shape, "kv_heads", 1),
            QueryHeads = Number(shape, "query_heads", 1),
            KeyDimension = Number(shape, "key_dimension", 1),
            ValueDimension = Number(shape, "value_dimension", 1),
        };
        LayerSpecs[] layers = [.. json.GetProperty("layers").EnumerateArray().Select(Layer)];
        if (layers.Length != geometry.Layers)
            throw new InvalidDataException($"{layers.Length} layers found, {geometry.Layers} wanted by the geometry");
        geometry = LayerGeometryText.Read(Shapes(json.GetProperty("layers")), geometry);
        PolicyCost.RequireFewSteps(layers, geometry);
        // Whoever chose codecs that do not take the dimensions should hear of it here, not in the middle of a run.
        LayerLayouts.RequireCodecs(layers, geometry);

        return new CachePolicy
        {
            Geometry = geometry,
            Layers = new LayerPolicy(layers),
            Sinks = Number(json, "sinks", 0),
            Window = Number(json, "window", 0),
            SourceHash = json.TryGetProperty("source_sha256", out JsonElement hash) ? hash.GetString() : null,
            Notes = json.TryGetProperty("notes", out JsonElement notes) ? notes.EnumerateObject().ToDictionary(n => n.Name, n => n.Value.ToString()) : new Dictionary<string, string>(),
        };
    }

    // What layers say of their shapes, as a cache file would.
    private static Dictionary<string, string> Shapes(JsonElement layers) => layers.EnumerateArray().SelectMany((layer, i) => layer.EnumerateObject()
        .Where(field => field.Value.ValueKind == JsonValueKind.Number)
        .Select(field => (Key: string.Create(CultureInfo.InvariantCulture, $"layers.{i}.{field.Name}"), Value: field.Value.GetRawText()))).ToDictionary(field => field.Key, field => field.Value);

    private static LayerSpecs Layer(JsonElement layer) => new(Spec(layer, "keys"), Spec(layer, "values"))
    {
        Ages = !layer.TryGetProperty("ages", out JsonElement ages) ? []
            : [.. ages.EnumerateArray().Select(step => new AgeStep(Number(step, "age", 1), Spec(step, "keys"), Spec(step, "values")))],
    };

    private static CodecSpec Spec(JsonElement layer, string name) => CodecSpec.Parse(layer.GetProperty(name).GetString() ?? throw new FormatException($"'{name}' is null"));

    private static int Number(JsonElement json, string name, int least) => json.GetProperty(name).GetInt32() is var number && number >= least
        ? number
        : throw new FormatException($"'{name}' is {number}, {least} or more is wanted");
}
