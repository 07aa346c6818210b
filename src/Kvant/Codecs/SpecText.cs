namespace Kvant.Codecs;

/// <summary>What names and values in a spec look like, so that every spec can be read again: none has a colon, a comma, an equals sign or a space in it.</summary>
internal static class SpecText
{
    /// <summary>Refuses what is no name of a method or setting.</summary>
    /// <exception cref="ArgumentException">It has other characters or begins with something other than a letter.</exception>
    public static void RequireName(string? text, string argument)
    {
        ArgumentNullException.ThrowIfNull(text, argument);
        if (text.Length == 0 || !char.IsAsciiLetterLower(text[0]) || !text.All(c => IsSmall(c) || c is '-' or '_'))
            throw new ArgumentException($"'{text}' is no name: small letters and digits are wanted, with hyphens or underscores between.", argument);
    }

    /// <summary>Refuses what a setting cannot have as a value.</summary>
    /// <exception cref="ArgumentException">It is empty or has other characters.</exception>
    public static void RequireValue(string? text, string argument)
    {
        ArgumentNullException.ThrowIfNull(text, argument);
        if (text.Length == 0 || !text.All(c => IsSmall(c) || c is '-' or '_' or '.' or '+'))
            throw new ArgumentException($"'{text}' is no value: small letters and digits are wanted, with hyphens, underscores, points or plus signs.", argument);
    }

    private static bool IsSmall(char c) => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c);
}
