using System.Globalization;
using System.Text.Json;
using Kvant.Models.Generation;
using Turn = Kvant.Models.Generation.ChatMessage;

namespace Kvant.Serving.Wire;

/// <summary>A request for text as it came, checked but for what only the model knows: tokens, templates, the context.</summary>
internal sealed record WireRequest
{
    private const int MostStops = 16;
    private const int MostBiases = 1024;
    private const double MostTemperature = 2, MostPenalty = 2, MostBias = 100, MostRepetition = 100;

    /// <summary>As far below 1 as the most is above; much less makes logits infinite.</summary>
    private const double LeastRepetition = 1 / MostRepetition;

    /// <summary>A top-p of 0 leaves the most likely token alone.</summary>
    private const double LeastTopP = 1e-9;

    public string? Model { get; init; }

    /// <summary>A conversation; null for a text that is to go on.</summary>
    public IReadOnlyList<Turn>? Turns { get; init; }

    /// <summary>A text that is to go on; null where it is given in tokens, or is a conversation.</summary>
    public string? Text { get; init; }

    /// <summary>The same in tokens.</summary>
    public IReadOnlyList<int>? Tokens { get; init; }

    public required SamplerOptions Sampling { get; init; }

    /// <summary>Tokens of the answer at most; null where the request does not say.</summary>
    public required int? MostTokens { get; init; }

    public required IReadOnlyList<string> Stops { get; init; }

    public required bool Stream { get; init; }

    /// <summary>Whether a stream ends with what was used.</summary>
    public required bool IncludeUsage { get; init; }

    /// <summary>A request for the next turn of a conversation.</summary>
    /// <exception cref="ApiError">Something is wrong with it.</exception>
    public static WireRequest OfChat(ReadOnlyMemory<byte> body)
    {
        using JsonDocument document = Fields.Parse(body);
        Fields fields = new(document.RootElement);
        WireRequest request = Of(fields) with { Turns = WireTurns.Of(fields) };
        Unsupported.RequireNone(fields, Unsupported.OfChat);
        return request;
    }

    /// <summary>A request for what comes behind a text.</summary>
    /// <exception cref="ApiError">Something is wrong with it.</exception>
    public static WireRequest OfText(ReadOnlyMemory<byte> body)
    {
        using JsonDocument document = Fields.Parse(body);
        Fields fields = new(document.RootElement);
        WireRequest request = Of(fields);
        Unsupported.RequireNone(fields, Unsupported.OfText);
        JsonElement prompt = fields.Find("prompt") ?? throw ApiError.Wrong("prompt", "'prompt' is missing.", "missing_required_parameter");
        // A list of one text is that text.
        if (prompt.ValueKind == JsonValueKind.Array && prompt.GetArrayLength() == 1 && prompt[0].ValueKind is JsonValueKind.String or JsonValueKind.Array)
            prompt = prompt[0];
        return prompt.ValueKind != JsonValueKind.Array ? request with { Text = Fields.TextOf(prompt, "prompt") }
            : request with { Tokens = [.. prompt.EnumerateArray().Select(token => token.ValueKind == JsonValueKind.Number && token.TryGetInt32(out int number) ? number : throw Fields.WrongValue("prompt", "one text, or one list of tokens", token))] };
    }

    private static WireRequest Of(Fields fields) => new()
    {
        Model = fields.Text("model"),
        MostTokens = (int?)(fields.Integer("max_completion_tokens", 1, int.MaxValue) ?? fields.Integer("max_tokens", 1, int.MaxValue)),
        Stops = StopsOf(fields),
        Stream = fields.Flag("stream"),
        IncludeUsage = fields.Object("stream_options")?.Flag("include_usage") ?? false,
        Sampling = new SamplerOptions
        {
            Temperature = fields.Number("temperature", 0, MostTemperature) ?? 1,
            TopP = Math.Max(fields.Number("top_p", 0, 1) ?? 1, LeastTopP),
            TopK = (int)Math.Max(fields.Integer("top_k", -1, int.MaxValue) ?? 0, 0),
            MinP = fields.Number("min_p", 0, 1) ?? 0,
            RepetitionPenalty = fields.Number("repetition_penalty", LeastRepetition, MostRepetition) ?? 1,
            PresencePenalty = fields.Number("presence_penalty", -MostPenalty, MostPenalty) ?? 0,
            FrequencyPenalty = fields.Number("frequency_penalty", -MostPenalty, MostPenalty) ?? 0,
            LogitBias = BiasesOf(fields),
            Seed = fields.Integer("seed", long.MinValue, long.MaxValue) is { } seed ? unchecked((ulong)seed) : unchecked((ulong)Random.Shared.NextInt64()),
        },
    };

    private static string[] StopsOf(Fields fields)
    {
        if (fields.Find("stop") is not { } stop)
            return [];
        string[] stops = stop.ValueKind != JsonValueKind.Array ? [Fields.TextOf(stop, "stop")]
            : stop.GetArrayLength() <= MostStops ? [.. stop.EnumerateArray().Select(s => Fields.TextOf(s, "stop"))] : throw ApiError.Wrong("stop", $"'stop' has {stop.GetArrayLength()} texts; at most {MostStops} are taken.", "invalid_value");
        return Array.Exists(stops, s => s.Length == 0) ? throw ApiError.Wrong("stop", "'stop' has an empty text.", "invalid_value") : stops;
    }

    private static Dictionary<int, float> BiasesOf(Fields fields)
    {
        Dictionary<int, float> biases = [];
        if (fields.Object("logit_bias") is not { } given)
            return biases;
        foreach ((string token, JsonElement bias) in given.All(MostBiases))
        {
            if (!int.TryParse(token, NumberStyles.None, CultureInfo.InvariantCulture, out int number))
                throw ApiError.Wrong("logit_bias", "'logit_bias' has a name that is no number of a token.", "invalid_value");
            // A number may be written in several ways.
            if (!biases.TryAdd(number, bias.ValueKind == JsonValueKind.Null ? 0 : (float)Fields.NumberOf(bias, "logit_bias." + token, -MostBias, MostBias)))
                throw ApiError.Wrong("logit_bias", $"'logit_bias' names token {number} twice.", "invalid_value");
        }

        return biases;
    }
}
