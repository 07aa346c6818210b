using System.Text.Json;

namespace Kvant.Serving.Wire;

/// <summary>Fields of the protocol that would change the answer, and that this server does not do: whoever asks for them is told so. What would change nothing, such as a name of the user, is ignored.</summary>
internal static class Unsupported
{
    /// <summary>Of conversations.</summary>
    public static IReadOnlyList<(string Name, Predicate<JsonElement> IsHarmless)> OfChat { get; } =
    [
        ("n", IsOne), ("logprobs", IsFalse), ("top_logprobs", IsZero), ("tools", IsEmpty), ("functions", IsEmpty), ("tool_choice", value => Is(value, "none") || Is(value, "auto")), ("function_call", value => Is(value, "none") || Is(value, "auto")),
        ("response_format", value => value.ValueKind == JsonValueKind.Object && value.TryGetProperty("type", out JsonElement type) && Is(type, "text")), ("audio", _ => false), ("web_search_options", _ => false),
        ("modalities", value => value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(m => Is(m, "text"))),
    ];

    /// <summary>Of plain texts.</summary>
    public static IReadOnlyList<(string Name, Predicate<JsonElement> IsHarmless)> OfText { get; } =
    [
        ("n", IsOne), ("best_of", IsOne), ("logprobs", IsFalse), ("echo", IsFalse), ("suffix", value => Is(value, "")),
    ];

    /// <summary>Refuses the first that is asked for.</summary>
    public static void RequireNone(Fields fields, IReadOnlyList<(string Name, Predicate<JsonElement> IsHarmless)> unsupported)
    {
        foreach ((string name, Predicate<JsonElement> isHarmless) in unsupported)
        {
            if (fields.Find(name) is { } value && !isHarmless(value))
                throw ApiError.Unsupported(name, $"'{name}' is not supported by this server" + (name is "n" or "best_of" ? ", but for 1." : "."));
        }
    }

    private static bool IsOne(JsonElement value) => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number == 1;

    private static bool IsZero(JsonElement value) => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number == 0;

    private static bool IsFalse(JsonElement value) => value.ValueKind == JsonValueKind.False;

    private static bool IsEmpty(JsonElement value) => value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0;

    private static bool Is(JsonElement value, string text) => value.ValueKind == JsonValueKind.String && value.ValueEquals(text);
}
