using System.Buffers;
using System.Text;

namespace Kvant.Cli.Output;

/// <summary>
/// Text for a terminal. Names that come from files may hold control characters, which a terminal obeys, and signs that turn the direction
/// of writing, which make a name look like another; both are shown as <c>\u001b</c>, which in JSON is the same string.
/// </summary>
internal static class Printable
{
    // C0 and C1 but for line feed and tab; the embeddings, overrides and isolates of bidirectional text; the separators that end a line.
    private static readonly SearchValues<char> s_unsafe = SearchValues.Create(
    [
        .. Enumerable.Range(0, 32).Append(127).Concat(Enumerable.Range(128, 32)).Select(c => (char)c).Except(['\n', '\t']),
        .. "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029",
    ]);

    /// <summary>Text of any number of lines.</summary>
    public static string Of(string text)
    {
        if (!text.AsSpan().ContainsAny(s_unsafe))
            return text;
        var shown = new StringBuilder(text.Length + 16);
        foreach (char c in text)
            Append(shown, c);
        return shown.ToString();
    }

    /// <summary>Text that has to stay on one line: line feeds are shown, too.</summary>
    public static string Line(string text) => Of(text).Replace("\n", "\\u000a", StringComparison.Ordinal);

    private static void Append(StringBuilder shown, char c)
    {
        if (s_unsafe.Contains(c))
            shown.Append("\\u").Append(((int)c).ToString("x4", System.Globalization.CultureInfo.InvariantCulture));
        else
            shown.Append(c);
    }
}
