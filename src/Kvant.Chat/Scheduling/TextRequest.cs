using Kvant.Models.Generation;
using Turn = Kvant.Models.Generation.ChatMessage;

namespace Kvant.Chat.Scheduling;

/// <summary>What a model is to write, checked: the rest trusts it.</summary>
internal sealed record TextRequest
{
    /// <summary>What it reads first, at least one token.</summary>
    public required int[] Tokens { get; init; }

    /// <summary>The turns that the tokens are; null where they are plain text.</summary>
    public IReadOnlyList<Turn>? Turns { get; init; }

    public required SamplerOptions Sampling { get; init; }

    /// <summary>Tokens of the answer at most, at least 1.</summary>
    public required int MostTokens { get; init; }

    /// <summary>Texts before which the answer ends, none of them empty.</summary>
    public IReadOnlyList<string> Stops { get; init; } = [];

    /// <summary>Who asks: nothing is shared between tenants.</summary>
    public string Tenant { get; init; } = "";
}
