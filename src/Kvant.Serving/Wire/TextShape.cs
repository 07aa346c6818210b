using System.Text.Json;

namespace Kvant.Serving.Wire;

/// <summary>What comes behind a plain text.</summary>
internal sealed class TextShape : Shape
{
    public override string Prefix => "cmpl-";

    public override bool HasFirst => false;

    public override string Kind(bool isPart) => "text_completion";

    public override void Text(Utf8JsonWriter json, string text) => json.WriteString("text", text);

    public override void Piece(Utf8JsonWriter json, string? piece) => json.WriteString("text", piece ?? "");
}
