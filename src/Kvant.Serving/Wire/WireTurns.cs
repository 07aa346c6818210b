using System.Text.Json;
using Turn = Kvant.Models.Generation.ChatMessage;

namespace Kvant.Serving.Wire;

/// <summary>The messages of a conversation.</summary>
internal static class WireTurns
{
    /// <summary>Reads them.</summary>
    /// <exception cref="ApiError">One is not understood, or there is none.</exception>
    public static Turn[] Of(Fields fields)
    {
        JsonElement messages = fields.Find("messages") ?? throw ApiError.Wrong("messages", "'messages' is missing.", "missing_required_parameter");
        if (messages.ValueKind != JsonValueKind.Array)
            throw fields.Wrong("messages", "an array", messages);
        return messages.GetArrayLength() == 0 ? throw ApiError.Wrong("messages", "'messages' is empty; at least one message is wanted.", "invalid_value")
            : [.. messages.EnumerateArray().Select((message, i) => TurnOf(message, $"messages[{i}]"))];
    }

    private static Turn TurnOf(JsonElement message, string path)
    {
        if (message.ValueKind != JsonValueKind.Object)
            throw Fields.WrongValue(path, "an object", message);
        Fields fields = new(message, path + ".");
        string role = fields.Text("role") ?? throw ApiError.Wrong(path + ".role", $"'{path}.role' is missing.", "missing_required_parameter");
        // What the protocol calls the developer is what models know as the system.
        role = role == "developer" ? "system" : role;
        if (role is not ("system" or "user" or "assistant"))
            throw ApiError.Wrong(path + ".role", $"'{path}.role' is a role that is not supported; there are system, developer, user and assistant.", "invalid_value");
        if (fields.Find("tool_calls") is { ValueKind: JsonValueKind.Array } calls && calls.GetArrayLength() > 0)
            throw ApiError.Unsupported(path + ".tool_calls", "Tools are not supported.");
        return fields.Find("content") is { } content ? new Turn(role, ContentOf(content, path + ".content"))
            : role == "assistant" ? new Turn(role, "") : throw ApiError.Wrong(path + ".content", $"'{path}.content' is missing.", "missing_required_parameter");
    }

    // A text, or parts that are texts.
    private static string ContentOf(JsonElement content, string path) => content.ValueKind != JsonValueKind.Array ? Fields.TextOf(content, path)
        : string.Concat(content.EnumerateArray().Select((part, i) => PartOf(part, $"{path}[{i}]")));

    private static string PartOf(JsonElement part, string path)
    {
        if (part.ValueKind != JsonValueKind.Object)
            throw Fields.WrongValue(path, "an object", part);
        Fields fields = new(part, path + ".");
        return fields.Text("type") is not "text" ? throw ApiError.Unsupported(path + ".type", $"'{path}' is no text; only texts are supported.")
            : fields.Text("text") ?? throw ApiError.Wrong(path + ".text", $"'{path}.text' is missing.", "missing_required_parameter");
    }
}
