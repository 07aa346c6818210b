using System.Text.Json;
using Kvant.Chat.Scheduling;

namespace Kvant.Serving.Wire;

/// <summary>The bodies of one answer, whole or in parts, which all have its name and time.</summary>
/// <param name="model">What the model is called.</param>
/// <param name="shape">What kind of answer it is.</param>
internal sealed class BodyWriter(string model, Shape shape)
{
    private readonly string _id = shape.Prefix + Guid.NewGuid().ToString("N");
    private readonly long _created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    /// <summary>The whole answer.</summary>
    public void Whole(Utf8JsonWriter json, AnswerEnd end) => Body(json, isPart: false, () =>
    {
        Choice(json, () => shape.Text(json, end.Text), end.Finish.Value);
        Usage(json, end);
    });

    /// <summary>Whether something comes before the first piece.</summary>
    public bool HasFirst => shape.HasFirst;

    /// <summary>What comes before the first piece.</summary>
    public void First(Utf8JsonWriter json, bool hasUsage) => Part(json, () => shape.First(json), null, hasUsage);

    /// <summary>A piece of text.</summary>
    public void Piece(Utf8JsonWriter json, string piece, bool hasUsage) => Part(json, () => shape.Piece(json, piece), null, hasUsage);

    /// <summary>Why there is no more.</summary>
    public void Last(Utf8JsonWriter json, AnswerEnd end, bool hasUsage) => Part(json, () => shape.Piece(json, null), end.Finish.Value, hasUsage);

    /// <summary>What was used, without text.</summary>
    public void UsageAlone(Utf8JsonWriter json, AnswerEnd end) => Body(json, isPart: true, () =>
    {
        json.WriteStartArray("choices");
        json.WriteEndArray();
        Usage(json, end);
    });

    private void Part(Utf8JsonWriter json, Action text, string? finish, bool hasUsage) => Body(json, isPart: true, () =>
    {
        Choice(json, text, finish);
        if (hasUsage)
            json.WriteNull("usage");
    });

    private void Body(Utf8JsonWriter json, bool isPart, Action rest)
    {
        json.WriteStartObject();
        json.WriteString("id", _id);
        json.WriteString("object", shape.Kind(isPart));
        json.WriteNumber("created", _created);
        json.WriteString("model", model);
        rest();
        json.WriteEndObject();
    }

    private static void Choice(Utf8JsonWriter json, Action text, string? finish)
    {
        json.WriteStartArray("choices");
        json.WriteStartObject();
        json.WriteNumber("index", 0);
        text();
        json.WriteNull("logprobs");
        json.WriteString("finish_reason", finish);
        json.WriteEndObject();
        json.WriteEndArray();
    }

    private static void Usage(Utf8JsonWriter json, AnswerEnd end)
    {
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", end.Prompt);
        json.WriteNumber("completion_tokens", end.Written);
        json.WriteNumber("total_tokens", end.Prompt + end.Written);
        json.WriteStartObject("prompt_tokens_details");
        json.WriteNumber("cached_tokens", end.Cached);
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
