using System.Globalization;
using System.Text.Json;
using System.Text.Unicode;

namespace Kvant.Serving.Wire;

/// <summary>The fields of an object in a request, each checked as it is asked for. A field that is null counts as one that is not there; one that nobody asks for is ignored. None is there twice: who reads the first and who reads the last would be told different things.</summary>
/// <param name="json">The object.</param>
/// <param name="path">What stands before the names of its fields in errors.</param>
internal readonly struct Fields(JsonElement json, string path = "")
{
    private static readonly JsonDocumentOptions s_options = new() { AllowDuplicateProperties = false };

    /// <summary>Parses a request.</summary>
    /// <exception cref="ApiError">It is no JSON, or no object, or has a field twice.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> body)
    {
        if (!Utf8.IsValid(body.Span))
            throw ApiError.Wrong(null, "The request is no JSON: it is no valid UTF-8.", "invalid_json");
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(body, s_options);
        }
        catch (JsonException e) when (e.LineNumber is null)
        {
            throw ApiError.Wrong(null, $"An object of the request has a field twice. {e.Message}", "duplicate_field");
        }
        catch (InvalidOperationException)
        {
            throw ApiError.Wrong(null, "The request has a field whose name is no valid Unicode.", "invalid_json");
        }
        catch (JsonException e)
        {
            throw ApiError.Wrong(null, $"The request is no JSON: line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}.", "invalid_json");
        }

        if (document.RootElement.ValueKind == JsonValueKind.Object)
            return document;
        document.Dispose();
        throw ApiError.Wrong(null, "The request is no JSON object.", "invalid_json");
    }

    /// <summary>A field, if it is there.</summary>
    public JsonElement? Find(string name) => json.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    public string? Text(string name) => Find(name) is { } value ? TextOf(value, path + name) : null;

    public bool Flag(string name) => Find(name) is { } value && (value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(name, "true or false", value));

    public double? Number(string name, double least, double most) => Find(name) is { } value ? NumberOf(value, path + name, least, most) : null;

    public long? Integer(string name, long least, long most) => Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) && number >= least && number <= most ? number
        : throw Wrong(name, most is int.MaxValue or long.MaxValue ? $"a whole number, {least} or more" : $"a whole number from {least} to {most}", value);

    /// <summary>An object, if it is there.</summary>
    public Fields? Object(string name) => Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Object ? new Fields(value, $"{path}{name}.") : throw Wrong(name, "an object", value);

    /// <summary>All fields of the object, those that are null too: at most so many.</summary>
    /// <exception cref="ApiError">There are more.</exception>
    public IEnumerable<(string Name, JsonElement Value)> All(int most) => json.GetPropertyCount() is var count && count > most
        ? throw ApiError.Wrong(path.TrimEnd('.'), $"'{path.TrimEnd('.')}' has {count} fields; at most {most} are taken.", "invalid_value")
        : json.EnumerateObject().Select(property => (property.Name, property.Value));

    /// <summary>Says that a field has a value that is not wanted.</summary>
    public ApiError Wrong(string name, string wanted, JsonElement found) => WrongValue(path + name, wanted, found);

    /// <summary>Says that a value is not what is wanted.</summary>
    public static ApiError WrongValue(string field, string wanted, JsonElement found) => ApiError.Wrong(field, $"'{field}' must be {wanted}; found is {Shown(found)}.", "invalid_value");

    /// <summary>A number.</summary>
    /// <exception cref="ApiError">It is none, or less or more.</exception>
    public static double NumberOf(JsonElement value, string field, double least, double most) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number >= least && number <= most ? number
        : throw WrongValue(field, string.Create(CultureInfo.InvariantCulture, $"a number from {least} to {most}"), value);

    /// <summary>A text.</summary>
    /// <exception cref="ApiError">It is none, or has half of a surrogate pair.</exception>
    public static string TextOf(JsonElement value, string field)
    {
        try
        {
            return value.ValueKind == JsonValueKind.String ? value.GetString()! : throw WrongValue(field, "a text", value);
        }
        catch (InvalidOperationException)
        {
            throw ApiError.Wrong(field, $"'{field}' is no valid Unicode.", "invalid_value");
        }
    }

    private static string Shown(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a text",
        _ => value.GetRawText() is { Length: <= 40 } raw ? raw : "a long number",
    };
}
