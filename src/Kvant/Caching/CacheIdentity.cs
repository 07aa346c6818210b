namespace Kvant.Caching;

/// <summary>
/// What a cache belongs to. Keys and values mean something only beside the weights and the positions that made them: a frozen cache carries
/// its identity, and whoever thaws it may say which one is expected.
/// </summary>
public sealed record CacheIdentity
{
    /// <summary>The longest text, in UTF-16 units.</summary>
    public const int MaxLength = 1024;

    private readonly string? _weights;
    private readonly string? _positions;
    private readonly string? _note;

    /// <summary>Names the weights, best by a hash of them; null where nobody said.</summary>
    /// <exception cref="ArgumentException">The text is too long or no valid Unicode.</exception>
    public string? Weights { get => _weights; init => _weights = Checked(value, nameof(Weights)); }

    /// <summary>Names how positions entered the keys, such as the base and the scaling of rotary embeddings; null where nobody said.</summary>
    /// <exception cref="ArgumentException">The text is too long or no valid Unicode.</exception>
    public string? Positions { get => _positions; init => _positions = Checked(value, nameof(Positions)); }

    /// <summary>Anything else that must be the same; null for nothing.</summary>
    /// <exception cref="ArgumentException">The text is too long or no valid Unicode.</exception>
    public string? Note { get => _note; init => _note = Checked(value, nameof(Note)); }

    /// <summary>The texts that are there, for messages.</summary>
    public override string ToString() => string.Join(", ", new[] { ("weights", Weights), ("positions", Positions), ("note", Note) }
        .Where(part => part.Item2 is not null).Select(part => $"{part.Item1} '{part.Item2}'")) is { Length: > 0 } text ? text : "no identity";

    // Half a surrogate pair would come back from a file as another text.
    private static string? Checked(string? text, string name)
    {
        if (text?.Length > MaxLength)
            throw new ArgumentException($"The text has {text.Length} characters; at most {MaxLength} are possible.", name);
        if (text is not null && !text.EnumerateRunes().SelectMany(rune => rune.ToString()).SequenceEqual(text))
            throw new ArgumentException("The text has half of a surrogate pair.", name);
        return text;
    }
}
