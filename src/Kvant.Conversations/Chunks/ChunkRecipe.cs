using System.Globalization;
using System.Text;
using Kvant.Caching;
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
        int[] own = [.. geometry.OwnLayers];
        for (int layer = 0; layer < geometry.Layers; layer++)
        {
            foreach ((string key, string value) in LayerGeometryText.Write(geometry, layer))
                Add(string.Create(CultureInfo.InvariantCulture, $"{layer}.{key}"), value);
        }

        // Layers that follow each other with the same codecs are named once.
        for (int first = 0, end; first < own.Length; first = end)
        {
            end = first + 1;
            while (end < own.Length && Specs(own[end]) == Specs(own[first]))
                end++;
            string layers = string.Create(CultureInfo.InvariantCulture, $"{own[first]}-{own[end - 1]}");
            Add($"{layers}.keys", Specs(own[first]).Keys);
            Add($"{layers}.values", Specs(own[first]).Values);
        }

        return stream.ToArray();

        (string Keys, string? Values) Specs(int layer) => (cache.Policy[layer].Keys.FullText, geometry[layer].ValuesInKeys ? null : cache.Policy[layer].Values.FullText);

        void Add(string key, string? value)
        {
            if (value is null)
                return;
            AddText(key);
            AddText(value);
        }

        void AddText(string text)
        {
            byte[] bytes = s_utf8.GetBytes(text);
            if (bytes.Length > ushort.MaxValue)
                throw new ArgumentException($"A text of {bytes.Length} bytes is too long to be part of a key; at most {ushort.MaxValue} are possible.", nameof(options));
            stream.WriteByte((byte)bytes.Length);
            stream.WriteByte((byte)(bytes.Length >> 8));
            stream.Write(bytes);
        }
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

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
