using System.Text.Json;

namespace Kvant.Serving.Wire;

/// <summary>A turn of a conversation.</summary>
internal sealed class ChatShape : Shape
{
    public override string Prefix => "chatcmpl-";

    public override bool HasFirst => true;

    public override string Kind(bool isPart) => isPart ? "chat.completion.chunk" : "chat.completion";

    public override void Text(Utf8JsonWriter json, string text)
    {
        json.WriteStartObject("message");
        json.WriteString("role", "assistant");
        json.WriteString("content", text);
        json.WriteNull("refusal");
        json.WriteEndObject();
    }

    public override void First(Utf8JsonWriter json)
    {
        json.WriteStartObject("delta");
        json.WriteString("role", "assistant");
        json.WriteString("content", "");
        json.WriteEndObject();
    }

    public override void Piece(Utf8JsonWriter json, string? piece)
    {
        json.WriteStartObject("delta");
        if (piece is not null)
            json.WriteString("content", piece);
        json.WriteEndObject();
    }
}
