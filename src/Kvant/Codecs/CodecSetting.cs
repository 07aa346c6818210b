using System.Globalization;

namespace Kvant.Codecs;

/// <summary>One setting of a method, such as <c>bits</c>: its name, what it does, its default and what it may be.</summary>
public sealed class CodecSetting
{
    private readonly long _minimum;
    private readonly long _maximum;

    private CodecSetting(string name, string summary, string @default, IReadOnlyList<string> choices, long minimum, long maximum)
    {
        (Name, Summary, Default, Choices, _minimum, _maximum) = (name, summary, @default, choices, minimum, maximum);
    }

    /// <summary>The name in a spec, lower case.</summary>
    public string Name { get; }

    /// <summary>What the setting does, one line.</summary>
    public string Summary { get; }

    /// <summary>The value that a spec has when it does not say.</summary>
    public string Default { get; }

    /// <summary>The values it may have; empty where it is a whole number of a range.</summary>
    public IReadOnlyList<string> Choices { get; }

    /// <summary>The allowed values in words, such as <c>1..8</c> or <c>max|l2</c>.</summary>
    public string Allowed => Choices.Count > 0 ? string.Join('|', Choices) : $"{_minimum}..{_maximum}";

    /// <summary>Whether the setting came when files of the method existed: the full text of a spec leaves it out where it has its default, so that
    /// what was written stays as it is. Such a default never changes.</summary>
    public bool IsLater { get; private init; }

    /// <summary>A whole number from a range.</summary>
    /// <param name="name">The name in a spec: small letters and digits, with hyphens or underscores between.</param>
    /// <param name="default">What it is where a spec does not say: a number of the range.</param>
    /// <param name="minimum">The least, at least 0.</param>
    /// <param name="maximum">The most, at least <paramref name="minimum"/>.</param>
    /// <param name="summary">What it does, one line.</param>
    /// <exception cref="ArgumentException">The name is none, the range is empty or below 0, or the default lies outside of it.</exception>
    public static CodecSetting Number(string name, long @default, long minimum, long maximum, string summary)
    {
        SpecText.RequireName(name, nameof(name));
        ArgumentNullException.ThrowIfNull(summary);
        if (minimum < 0 || maximum < minimum)
            throw new ArgumentException($"'{name}' from {minimum} to {maximum} is no range of whole numbers from 0 on.", nameof(minimum));
        return new CodecSetting(name, summary, @default.ToString(CultureInfo.InvariantCulture), [], minimum, maximum).WithAllowedDefault();
    }

    /// <summary>One of a few words or numbers.</summary>
    /// <param name="name">The name in a spec: small letters and digits, with hyphens or underscores between.</param>
    /// <param name="default">What it is where a spec does not say: one of the choices.</param>
    /// <param name="choices">What it may be, each once: small letters, digits, hyphens, underscores, points, plus signs.</param>
    /// <param name="summary">What it does, one line.</param>
    /// <exception cref="ArgumentException">The name is none, there are no choices, one is no value or stands twice, or the default is none of them.</exception>
    public static CodecSetting Choice(string name, string @default, string[] choices, string summary)
    {
        SpecText.RequireName(name, nameof(name));
        ArgumentNullException.ThrowIfNull(@default);
        ArgumentNullException.ThrowIfNull(choices);
        ArgumentNullException.ThrowIfNull(summary);
        if (choices.Length == 0)
            throw new ArgumentException($"'{name}' has no choices; at least one is wanted.", nameof(choices));
        IReadOnlyList<string> own = [.. choices]; // the caller may change theirs
        foreach (string choice in own)
            SpecText.RequireValue(choice, nameof(choices));
        if (own.Distinct(StringComparer.Ordinal).Count() != own.Count)
            throw new ArgumentException($"A choice of '{name}' stands twice: {string.Join('|', own)}.", nameof(choices));
        return new CodecSetting(name, summary, @default, own, 0, 0).WithAllowedDefault();
    }

    /// <summary>The same setting with <see cref="IsLater"/>.</summary>
    internal CodecSetting AddedLater() => new(Name, Summary, Default, Choices, _minimum, _maximum) { IsLater = true };

    /// <summary>Whether a text is an allowed value, written the one way that specs write it.</summary>
    /// <param name="text">The text behind the equals sign.</param>
    public bool Accepts(string text)
    {
        if (Choices.Count > 0)
            return Choices.Contains(text);
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long value)
            && value >= _minimum && value <= _maximum
            && value.ToString(CultureInfo.InvariantCulture) == text;
    }

    /// <summary>Whether another setting accepts all that this one does.</summary>
    internal bool IsWithin(CodecSetting other) => Choices.Count > 0 ? Choices.All(other.Accepts)
        : other.Choices.Count == 0 && _minimum >= other._minimum && _maximum <= other._maximum;

    private CodecSetting WithAllowedDefault() => Accepts(Default) ? this
        : throw new ArgumentException($"The default '{Name}={Default}' is not allowed; {Name} is {Allowed}.", "default");
}
