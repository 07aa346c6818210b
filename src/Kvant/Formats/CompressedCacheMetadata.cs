using System.Globalization;
using System.Text;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Kernels;

namespace Kvant.Formats;

/// <summary>The metadata of a compressed cache file as text, both ways, and the checksum over the header that holds it.</summary>
internal static class CompressedCacheMetadata
{
    internal const string VersionKey = "kvant.cache";
    internal const string Version = "1";
    private const string HeaderChecksumKey = "crc32c.header";
    private const string NoChecksum = "00000000";
    private const string SourcePrefix = "source.";

    // In JSON the quotes of a key cannot occur inside a string unescaped, so this finds the key and nothing else.
    private static ReadOnlySpan<byte> HeaderChecksumMark => "\"crc32c.header\":\""u8;

    /// <summary>The metadata with every checksum still zero: it has the length that the final text will have.</summary>
    internal static OrderedDictionary<string, string> Describe(CompressedCachePlan plan, IEnumerable<TensorDeclaration> tensors)
    {
        CompressedCacheLayout layout = plan.Layout;
        OrderedDictionary<string, string> metadata = new()
        {
            [VersionKey] = Version,
            [HeaderChecksumKey] = NoChecksum,
            ["layers"] = Text(layout.Geometry.Layers),
            ["kv_heads"] = Text(layout.Geometry.KvHeads),
            ["query_heads"] = Text(layout.QueryHeads),
            ["tokens"] = Text(layout.Tokens),
            ["key_dimension"] = Text(layout.Geometry.KeyDimension),
            ["value_dimension"] = Text(layout.Geometry.ValueDimension),
        };
        for (int layer = 0; layer < layout.Policy.Count; layer++)
        {
            metadata[KeySpecKey(layer)] = layout.Policy[layer].Keys.FullText;
            metadata[ValueSpecKey(layer)] = layout.Policy[layer].Values.FullText;
        }
        foreach ((string key, string value) in layout.SourceMetadata) metadata[SourcePrefix + key] = value;
        foreach (TensorDeclaration tensor in tensors) metadata[ChecksumKey(tensor.Name)] = NoChecksum;
        return metadata;
    }

    internal static string ChecksumKey(string tensor) => "crc32c." + tensor;

    internal static string Checksum(uint checksum) => checksum.ToString("x8", CultureInfo.InvariantCulture);

    /// <summary>Puts the header's own checksum into a header whose place for it still holds zeros.</summary>
    internal static void Seal(Span<byte> header) =>
        Encoding.ASCII.GetBytes(Checksum(Crc32C.Compute(header)), header[(header.IndexOf(HeaderChecksumMark) + HeaderChecksumMark.Length)..]);

    internal static void VerifyHeader(SafetensorsFile file)
    {
        uint wanted = Checksum(file, HeaderChecksumKey);
        ReadOnlySpan<byte> header = file.Header;
        int start = header.IndexOf(HeaderChecksumMark) + HeaderChecksumMark.Length;
        if (start < HeaderChecksumMark.Length || start + NoChecksum.Length > header.Length)
            throw Invalid(file, $"the metadata '{HeaderChecksumKey}' is not written without spaces");
        uint found = Crc32C.Append(Crc32C.Append(Crc32C.Compute(header[..start]), "00000000"u8), header[(start + NoChecksum.Length)..]);
        if (found != wanted) throw Invalid(file, $"the header is damaged: its checksum is {Checksum(found)}, {Checksum(wanted)} is written in it");
    }

    /// <summary>A checksum of the metadata: exactly eight lower-case hexadecimal digits.</summary>
    internal static uint Checksum(SafetensorsFile file, string key)
    {
        string text = Required(file, key);
        return text.Length == NoChecksum.Length && uint.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint checksum) && Checksum(checksum) == text
            ? checksum
            : throw Invalid(file, $"the metadata '{key}' is '{text}', eight lower-case hexadecimal digits are wanted");
    }

    internal static CompressedCacheLayout Parse(SafetensorsFile file)
    {
        string version = Required(file, VersionKey);
        if (version != Version) throw Invalid(file, $"compressed cache version {version} found, {Version} wanted");
        VerifyHeader(file);
        CacheGeometry geometry = new()
        {
            Layers = Number(file, "layers", least: 1),
            KvHeads = Number(file, "kv_heads", least: 1),
            KeyDimension = Number(file, "key_dimension", least: 1),
            ValueDimension = Number(file, "value_dimension", least: 1),
        };
        // Each head has at least a key and a value tensor, so the file's own size bounds every loop and list below.
        if ((long)geometry.Layers * geometry.KvHeads > file.Tensors.Count / 2)
            throw Invalid(file, $"{geometry.Layers} layers of {geometry.KvHeads} heads do not fit {file.Tensors.Count} tensors");
        int queryHeads = Number(file, "query_heads");
        var policy = new LayerPolicy(Enumerable.Range(0, geometry.Layers).Select(layer => new LayerSpecs(Spec(file, KeySpecKey(layer)), Spec(file, ValueSpecKey(layer)))));
        return new CompressedCacheLayout
        {
            Geometry = geometry,
            Tokens = Number(file, "tokens"),
            Policy = policy,
            QueryHeads = queryHeads,
            QueryElementType = queryHeads > 0 ? file.Tensor(TraceLayer.QueryName(0)).ElementType : ElementType.F16,
            SourceMetadata = Source(file),
        };
    }

    internal static InvalidDataException Invalid(SafetensorsFile file, string message, Exception? cause = null) => new($"{file.Path}: {message}", cause);

    private static string KeySpecKey(int layer) => string.Create(CultureInfo.InvariantCulture, $"layers.{layer}.keys");

    private static string ValueSpecKey(int layer) => string.Create(CultureInfo.InvariantCulture, $"layers.{layer}.values");

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Required(SafetensorsFile file, string key) =>
        file.Metadata.TryGetValue(key, out string? text) ? text : throw Invalid(file, key == VersionKey ? $"not a compressed cache: the metadata '{key}' is missing" : $"the metadata '{key}' is missing");

    private static int Number(SafetensorsFile file, string key, int least = 0)
    {
        string text = Required(file, key);
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && Text(number) == text && number >= least
            ? number
            : throw Invalid(file, $"the metadata '{key}' is '{text}', a whole number from {least} to {int.MaxValue} is wanted");
    }

    private static CodecSpec Spec(SafetensorsFile file, string key)
    {
        string text = Required(file, key);
        try
        {
            CodecSpec spec = CodecSpec.Parse(text);
            // A setting that is left out would take its value from this version's defaults.
            return spec.FullText == text ? spec : throw Invalid(file, $"the metadata '{key}' is '{text}', the full spec '{spec.FullText}' is wanted");
        }
        catch (FormatException e)
        {
            throw Invalid(file, $"the metadata '{key}' is no codec spec: {e.Message}", e);
        }
    }

    private static Dictionary<string, string> Source(SafetensorsFile file)
    {
        Dictionary<string, string> source = [];
        foreach ((string key, string value) in file.Metadata)
        {
            if (key.StartsWith(SourcePrefix, StringComparison.Ordinal)) source.Add(key[SourcePrefix.Length..], value);
        }
        return source;
    }
}
