using System.Globalization;
using Kvant.Chat.Scheduling;
using Kvant.Models.Generation;
using Microsoft.Extensions.AI;
using Turn = Kvant.Models.Generation.ChatMessage;

namespace Kvant.Chat;

/// <summary>What a caller asks for, checked: the rest of the client trusts it.</summary>
internal sealed record ChatRequest
{
    public required IReadOnlyList<Turn> Turns { get; init; }

    public required SamplerOptions Sampling { get; init; }

    public required int MostTokens { get; init; }

    public required IReadOnlyList<string> Stops { get; init; }

    /// <summary>A request.</summary>
    /// <param name="earlier">Turns that the client remembers.</param>
    /// <param name="messages">Those that the caller gives.</param>
    /// <param name="options">The caller's; null for none.</param>
    /// <param name="defaults">The client's.</param>
    /// <exception cref="NotSupportedException">It has something that is not understood.</exception>
    /// <exception cref="ArgumentException">It has no message, or a setting makes no sense.</exception>
    public static ChatRequest Of(IReadOnlyList<Turn> earlier, IEnumerable<Microsoft.Extensions.AI.ChatMessage> messages, ChatOptions? options, KvantChatOptions defaults)
    {
        List<Turn> turns = [.. earlier, .. messages.Select(TurnOf)];
        if (turns.Count == 0)
            throw new ArgumentException("There is no message; at least one is wanted.", nameof(messages));
        if (options?.Instructions is { Length: > 0 } instructions && earlier.Count == 0)
            turns.Insert(0, new Turn("system", instructions));
        if (options?.Tools is { Count: > 0 })
            throw new NotSupportedException("Tools are not supported.");
        if (options?.ResponseFormat is not null and not ChatResponseFormatText)
            throw new NotSupportedException("Answers are text; another response format is not supported.");
        string[] stops = [.. options?.StopSequences ?? []];
        if (Array.Exists(stops, string.IsNullOrEmpty))
            throw new ArgumentException("A stop sequence is empty.", nameof(options));
        int most = options?.MaxOutputTokens ?? defaults.MaxOutputTokens;
        if (most < 1)
            throw new ArgumentOutOfRangeException(nameof(options), most, "An answer has at least 1 token.");
        SamplerOptions sampling = defaults.Sampling;
        return new()
        {
            Turns = turns,
            MostTokens = most,
            Stops = stops,
            Sampling = options is null ? sampling : sampling with
            {
                Temperature = options.Temperature ?? sampling.Temperature,
                TopK = options.TopK ?? sampling.TopK,
                TopP = options.TopP ?? sampling.TopP,
                PresencePenalty = options.PresencePenalty ?? sampling.PresencePenalty,
                FrequencyPenalty = options.FrequencyPenalty ?? sampling.FrequencyPenalty,
                Seed = options.Seed is { } seed ? unchecked((ulong)seed) : sampling.Seed,
                MinP = Number(options, "min_p") ?? sampling.MinP,
                RepetitionPenalty = Number(options, "repetition_penalty") ?? sampling.RepetitionPenalty,
            },
        };
    }

    /// <summary>The same in tokens.</summary>
    /// <param name="tokens">The turns.</param>
    /// <param name="tenant">Who asks.</param>
    public TextRequest ToText(int[] tokens, string tenant) => new() { Tokens = tokens, Turns = Turns, Sampling = Sampling, MostTokens = MostTokens, Stops = Stops, Tenant = tenant };

    private static double? Number(ChatOptions options, string name)
    {
        if (options.AdditionalProperties?.TryGetValue(name, out object? value) is not true || value is null)
            return null;
        return value is IConvertible number && value is not string ? number.ToDouble(CultureInfo.InvariantCulture)
            : throw new ArgumentException($"'{name}' is '{value}'; a number is wanted.", nameof(options));
    }

    private static Turn TurnOf(Microsoft.Extensions.AI.ChatMessage message)
    {
        if (message.Role != ChatRole.System && message.Role != ChatRole.User && message.Role != ChatRole.Assistant)
            throw new NotSupportedException($"A message of the role '{message.Role}' is not supported; there are system, user and assistant.");
        return message.Contents.FirstOrDefault(content => content is not (TextContent or UsageContent)) is { } other
            ? throw new NotSupportedException($"A message holds {other.GetType().Name}; only text is supported.")
            : new Turn(message.Role.Value, message.Text);
    }
}
