using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Kvant.Formats;

/// <summary>Writes the JSON header of a safetensors file: the same declarations give the same bytes.</summary>
internal static class SafetensorsHeaderWriter
{
    // Relaxed, so that names and specs stay readable; the header is never embedded in HTML.
    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The header's bytes, padded with spaces so that the data begin at a multiple of 8.</summary>
    internal static byte[] Format(IReadOnlyDictionary<string, string>? metadata, IReadOnlyList<TensorDeclaration> tensors)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream, s_options))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject(SafetensorsHeader.MetadataName);
                foreach ((string key, string value) in metadata)
                {
                    CheckName(key);
                    json.WriteString(key, value);
                }
                json.WriteEndObject();
            }
            long begin = 0;
            HashSet<string> names = [SafetensorsHeader.MetadataName];
            foreach (TensorDeclaration tensor in tensors)
            {
                if (!names.Add(tensor.Name)) throw new ArgumentException($"the name '{tensor.Name}' is taken twice or reserved");
                begin = Format(json, tensor, begin);
            }
            json.WriteEndObject();
        }
        while (stream.Length % 8 != 0) stream.WriteByte((byte)' ');
        return stream.Length <= SafetensorsHeader.LongestHeader ? stream.ToArray()
            : throw new ArgumentException($"the header has {stream.Length} bytes, at most {SafetensorsHeader.LongestHeader} are allowed");
    }

    private static long Format(Utf8JsonWriter json, TensorDeclaration tensor, long begin)
    {
        CheckName(tensor.Name);
        if (tensor.Shape.Count > SafetensorsHeader.MostDimensions) throw new ArgumentException($"{tensor.Name} has {tensor.Shape.Count} dimensions, at most {SafetensorsHeader.MostDimensions} are allowed");
        long end = checked(begin + tensor.ByteLength());
        json.WriteStartObject(tensor.Name);
        json.WriteString("dtype", tensor.ElementType.Name());
        json.WriteStartArray("shape");
        foreach (long dimension in tensor.Shape) json.WriteNumberValue(dimension);
        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(begin);
        json.WriteNumberValue(end);
        json.WriteEndArray();
        json.WriteEndObject();
        return end;
    }

    private static void CheckName(string name)
    {
        int length = Encoding.UTF8.GetByteCount(name);
        if (length is 0 or > SafetensorsHeader.LongestName) throw new ArgumentException($"'{name}' has {length} bytes, a name has 1 to {SafetensorsHeader.LongestName}");
    }
}
