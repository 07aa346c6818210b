using System.Globalization;
using Kvant.Codecs;

namespace Kvant.Formats;

/// <summary>A rotary embedding as strings of a file's metadata, both ways.</summary>
internal static class RotaryText
{
    private const string Prefix = "rotary.";

    /// <summary>Its strings; none for null.</summary>
    public static IEnumerable<(string Key, string Value)> Write(RotaryEmbedding? rotary)
    {
        if (rotary is null)
            yield break;
        yield return (Prefix + "base", Text(rotary.Base));
        yield return (Prefix + "pairs", rotary.Pairs == RotaryPairs.Halves ? "halves" : "neighbors");
        if (rotary.Dimension > 0)
            yield return (Prefix + "dimension", rotary.Dimension.ToString(CultureInfo.InvariantCulture));
        if (rotary.Divisor != 1)
            yield return (Prefix + "divisor", Text(rotary.Divisor));
        if (rotary.Factors is { } factors)
            yield return (Prefix + "factors", string.Join(' ', factors.Select(f => f.ToString("R", CultureInfo.InvariantCulture))));
    }

    /// <summary>What strings say; null where there are none.</summary>
    /// <param name="text">All strings.</param>
    /// <param name="before">What stands before each of these.</param>
    /// <exception cref="FormatException">They mean nothing.</exception>
    /// <exception cref="ArgumentException">A number is impossible.</exception>
    public static RotaryEmbedding? Read(IReadOnlyDictionary<string, string> text, string before = "")
    {
        string prefix = before + Prefix;
        if (!text.ContainsKey(prefix + "base"))
            return null;
        return new()
        {
            Base = Number("base", 0),
            Pairs = text.GetValueOrDefault(prefix + "pairs") switch
            {
                "halves" => RotaryPairs.Halves,
                "neighbors" => RotaryPairs.Neighbors,
                var other => throw new FormatException($"The metadata '{Prefix}pairs' is '{other}'; halves or neighbors is wanted."),
            },
            Dimension = !text.TryGetValue(prefix + "dimension", out string? said) ? 0
                : int.TryParse(said, NumberStyles.None, CultureInfo.InvariantCulture, out int dimension) ? dimension
                : throw new FormatException($"The metadata '{Prefix}dimension' is '{said}'; a whole number is wanted."),
            Divisor = Number("divisor", 1),
            Factors = text.TryGetValue(prefix + "factors", out string? factors) ? [.. factors.Split(' ').Select(f => (float)Parse("factors", f))] : null,
        };

        double Number(string key, double @default) => text.TryGetValue(prefix + key, out string? found) ? Parse(key, found) : @default;
    }

    private static double Parse(string key, string text) => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && double.IsFinite(number)
        ? number
        : throw new FormatException($"The metadata '{Prefix}{key}' holds '{text}'; a number is wanted.");

    private static string Text(double number) => number.ToString("R", CultureInfo.InvariantCulture);
}
