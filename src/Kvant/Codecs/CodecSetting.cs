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
    /// <param name="name">The name in a spec.</param>
    /// <param name="default">What it is where a spec does not say.</param>
    /// <param name="minimum">The least, at least 0.</param>
    /// <param name="maximum">The most.</param>
    /// <param name="summary">What it does, one line.</param>
    public static CodecSetting Number(string name, long @default, long minimum, long maximum, string summary) =>
        new(name, summary, @default.ToString(CultureInfo.InvariantCulture), [], minimum, maximum);

    /// <summary>One of a few words or numbers.</summary>
    /// <param name="name">The name in a spec.</param>
    /// <param name="default">What it is where a spec does not say: one of the choices.</param>
    /// <param name="choices">What it may be.</param>
    /// <param name="summary">What it does, one line.</param>
    public static CodecSetting Choice(string name, string @default, string[] choices, string summary) =>
        new(name, summary, @default, choices, 0, 0);

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
}
