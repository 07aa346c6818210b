namespace Kvant.Models.Generation;

/// <summary>What a model wrote.</summary>
public sealed record GeneratedText
{
    /// <summary>The text, without control tokens.</summary>
    public required string Text { get; init; }

    /// <summary>The tokens, the one that ended the text included.</summary>
    public required IReadOnlyList<int> Tokens { get; init; }

    /// <summary>Why there is no more.</summary>
    public required GenerationEnd End { get; init; }

    /// <summary>How fast they were written; the time that the receiver of the text took is not in it.</summary>
    public required TokenSpeed Speed { get; init; }
}
