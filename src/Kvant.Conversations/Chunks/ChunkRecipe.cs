using System.Globalization;
using System.Text;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;

namespace Kvant.Conversations.Chunks;

/// <summary>
/// All but the tokens and the tenant that the bytes of a chunk depend on, as pairs of texts: part of its key, and carried in its value so that it can be shown.
/// Each text stands behind its length in two bytes.
/// </summary>
internal static class ChunkRecipe
{
    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The bytes of a recipe.</summary>
    public static byte[] Write(PrefixOptions options)
    {
        KvCacheOptions cache = options.Cache;
        CacheGeometry geometry = cache.Geometry;
        using var stream = new MemoryStream();
        Add("weights", cache.Identity?.Weights);
        Add("positions", cache.Identity?.Positions);
        Add("note", cache.Identity?.Note);
        Add("tokenizer", options.Tokenizer);
        Add("chunk", Text(options.ChunkTokens));
        Add("sinks", Text(cache.Sinks));
        Add("window_codec", cache.WindowCodec?.FullText);
        Add("sections", options.Sections.Count == 0 ? null : string.Join(' ', options.Sections));
        Add("shape", string.Create(CultureInfo.InvariantCulture, $"{geometry.Layers} {geometry.KvHeads} {geometry.QueryHeads} {geometry.KeyDimension} {geometry.ValueDimension}"));
        foreach ((string key, string value) in RotaryText.Write(geometry.Rotary))
            Add(key, value);
        for (int layer = 0; layer < geometry.Layers; layer++)
        {
            foreach ((string key, string value) in LayerGeometryText.Write(geometry, layer))
                Add(string.Create(CultureInfo.InvariantCulture, $"{layer}.{key}"), value);
        }

        stream.Write(WriteCodecs("", geometry, layer => cache.Policy[layer]));
        return stream.ToArray();

        void Add(string key, string? value)
        {
            if (value is not null)
                AddPair(stream, key, value);
        }
    }

    /// <summary>The pairs that name codecs. Layers that follow each other with the same ones are named once; those that share another's rows are left out.</summary>
    /// <param name="before">What names begin with.</param>
    /// <param name="geometry">The shape of the cache.</param>
    /// <param name="specs">The codecs of a layer.</param>
    public static byte[] WriteCodecs(string before, CacheGeometry geometry, Func<int, LayerSpecs> specs)
    {
        using var stream = new MemoryStream();
        int[] own = [.. geometry.OwnLayers];
        for (int first = 0, end; first < own.Length; first = end)
        {
            end = first + 1;
            while (end < own.Length && Codecs(own[end]) == Codecs(own[first]))
                end++;
            (string keys, string? values) = Codecs(own[first]);
            AddPair(stream, Name(before, own[first], own[end - 1], "keys"), keys);
            if (values is not null)
                AddPair(stream, Name(before, own[first], own[end - 1], "values"), values);
        }

        return stream.ToArray();

        (string Keys, string? Values) Codecs(int layer) => (specs(layer).Keys.FullText, geometry[layer].ValuesInKeys ? null : specs(layer).Values.FullText);
    }

    /// <summary>Reads what <see cref="WriteCodecs"/> wrote.</summary>
    /// <param name="pairs">These and no others.</param>
    /// <param name="before">What names begin with.</param>
    /// <param name="geometry">The shape of the cache.</param>
    /// <returns>The codecs of each layer; any for those that share another's rows.</returns>
    /// <exception cref="FormatException">They are others, or a spec means nothing.</exception>
    public static LayerSpecs[] ReadCodecs(IReadOnlyList<(string Key, string Value)> pairs, string before, CacheGeometry geometry)
    {
        int[] own = [.. geometry.OwnLayers];
        var specs = new LayerSpecs[geometry.Layers];
        int next = 0;
        for (int i = 0; i < pairs.Count && next < own.Length;)
        {
            int first = own[next];
            CodecSpec keys = CodecSpec.Parse(pairs[i].Value), values = keys;
            int last = LastOf(pairs[i++].Key, Name(before, first, "-"), ".keys");
            if (!geometry[first].ValuesInKeys)
            {
                if (i == pairs.Count || pairs[i].Key != Name(before, first, last, "values"))
                    throw new FormatException($"The codec of the values of the layers {first} to {last} is missing.");
                values = CodecSpec.Parse(pairs[i++].Value);
            }

            for (; next < own.Length && own[next] <= last; next++)
                specs[own[next]] = new(keys, values);
            if (i == pairs.Count && next == own.Length)
                return [.. specs.Select(layer => layer ?? specs[own[0]])];
        }

        throw new FormatException($"{pairs.Count} pairs do not name the codecs of {own.Length} layers.");

        static int LastOf(string key, string start, string end) =>
            key.StartsWith(start, StringComparison.Ordinal) && key.EndsWith(end, StringComparison.Ordinal)
            && int.TryParse(key.AsSpan(start.Length..^end.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int last) ? last
            : throw new FormatException($"'{key}' names no codec of keys; '{start}' and the last of the layers are wanted.");
    }

    /// <summary>The pairs of a recipe.</summary>
    /// <exception cref="InvalidDataException">The bytes are none.</exception>
    public static List<(string Key, string Value)> Read(ReadOnlySpan<byte> recipe)
    {
        List<(string, string)> pairs = [];
        while (!recipe.IsEmpty)
            pairs.Add((ReadText(ref recipe), ReadText(ref recipe)));
        return pairs;

        static string ReadText(ref ReadOnlySpan<byte> rest)
        {
            int length = rest.Length < 2 ? int.MaxValue : rest[0] | (rest[1] << 8);
            if (length > rest.Length - 2)
                throw new InvalidDataException($"A text of the recipe claims {length} bytes; {Math.Max(0, rest.Length - 2)} are left.");
            try
            {
                string text = s_utf8.GetString(rest.Slice(2, length));
                rest = rest[(2 + length)..];
                return text;
            }
            catch (DecoderFallbackException broken)
            {
                throw new InvalidDataException("A text of the recipe is no valid UTF-8.", broken);
            }
        }
    }

    private static void AddPair(MemoryStream stream, string key, string value)
    {
        foreach (string text in (string[])[key, value])
        {
            byte[] bytes = s_utf8.GetBytes(text);
            if (bytes.Length > ushort.MaxValue)
                throw new ArgumentException($"A text of {bytes.Length} bytes is too long to be part of a key; at most {ushort.MaxValue} are possible.", nameof(value));
            stream.WriteByte((byte)bytes.Length);
            stream.WriteByte((byte)(bytes.Length >> 8));
            stream.Write(bytes);
        }
    }

    private static string Name(string before, int first, string rest) => string.Create(CultureInfo.InvariantCulture, $"{before}{first}{rest}");

    private static string Name(string before, int first, int last, string side) => string.Create(CultureInfo.InvariantCulture, $"{before}{first}-{last}.{side}");

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
