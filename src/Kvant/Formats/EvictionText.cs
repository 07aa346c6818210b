using System.Globalization;
using Kvant.Caching;

namespace Kvant.Formats;

/// <summary>What is evicted, as strings of a file's metadata, both ways.</summary>
internal static class EvictionText
{
    private const string Newest = "eviction.sliding_window";
    private const string Most = "eviction.max_tokens";
    private const string Nothing = "eviction.none";

    /// <summary>Its strings; none for null.</summary>
    public static IEnumerable<(string Key, string Value)> Write(Eviction? eviction) => eviction switch
    {
        null => [],
        Eviction.Newest window => [(Newest, Text(window.Tokens))],
        Eviction.MaxTokens most => [(Most, Text(most.Tokens))],
        _ => [(Nothing, Text(0))],
    };

    /// <summary>What strings say; null where there are none.</summary>
    /// <param name="text">All strings.</param>
    /// <param name="before">What stands before each of these.</param>
    /// <exception cref="FormatException">They mean nothing.</exception>
    /// <exception cref="ArgumentException">A number is impossible.</exception>
    public static Eviction? Read(IReadOnlyDictionary<string, string> text, string before = "") =>
        text.TryGetValue(before + Newest, out string? newest) ? new Eviction.Newest(Number(newest))
        : text.TryGetValue(before + Most, out string? most) ? new Eviction.MaxTokens(Number(most))
        : text.ContainsKey(before + Nothing) ? Eviction.None
        : null;

    private static string Text(int tokens) => tokens.ToString(CultureInfo.InvariantCulture);

    private static int Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
        ? number
        : throw new FormatException($"An eviction of '{text}' tokens; a whole number is wanted.");
}
