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

    /// <summary>How often the model was run for them: once for each, less often where guesses (<see cref="TextGenerator.Drafts"/>) were right.</summary>
    public required int Steps { get; init; }

    /// <summary>How many tokens were guessed, right or wrong.</summary>
    public required int Guesses { get; init; }

    /// <summary>How fast they were written; the time that the receiver of the text took is not in it.</summary>
    public required TokenSpeed Speed { get; init; }
}
