using System.Text;

namespace Kvant.Models.Generation.Templates;

/// <summary>
/// A text that remembers of each character whether a template wrote it or people said it. Only what the template wrote may become control tokens.
/// </summary>
internal sealed class MarkedText
{
    private const char OfTemplate = 't', OfPeople = 'p';

    // As long as the text, one mark for each character.
    private readonly string _marks;

    private MarkedText(string text, string marks) => (Text, _marks) = (text, marks);

    internal static MarkedText Empty { get; } = new("", "");

    internal string Text { get; }

    internal int Length => Text.Length;

    internal static MarkedText Written(string text) => new(text, new string(OfTemplate, text.Length));

    internal static MarkedText Said(string text) => new(text, new string(OfPeople, text.Length));

    internal static MarkedText Concat(IEnumerable<MarkedText> parts)
    {
        StringBuilder text = new(), marks = new();
        foreach (MarkedText part in parts)
        {
            text.Append(part.Text);
            marks.Append(part._marks);
        }
        return new MarkedText(text.ToString(), marks.ToString());
    }

    internal bool IsWritten(int index) => _marks[index] == OfTemplate;

    /// <summary>The end of the run of characters of the same origin that begins at an index.</summary>
    internal int RunEnd(int index) => _marks.AsSpan(index).IndexOfAnyExcept(_marks[index]) is >= 0 and int run ? index + run : Length;

    internal MarkedText Slice(int start, int length) => new(Text.Substring(start, length), _marks.Substring(start, length));

    internal MarkedText Plus(MarkedText other) => new(Text + other.Text, _marks + other._marks);

    internal MarkedText Upper() => new(Text.ToUpperInvariant(), _marks);

    internal MarkedText Lower() => new(Text.ToLowerInvariant(), _marks);

    /// <summary>Without the characters at one end or both; white space where none are said.</summary>
    internal MarkedText Strip(bool start, bool end, string? characters = null)
    {
        int from = 0, to = Length;
        while (start && from < to && Goes(Text[from])) from++;
        while (end && to > from && Goes(Text[to - 1])) to--;
        return Slice(from, to - from);

        bool Goes(char c) => characters is null ? char.IsWhiteSpace(c) : characters.Contains(c, StringComparison.Ordinal);
    }

    /// <summary>The parts between separators, at most so many cuts.</summary>
    internal List<MarkedText> Split(string separator, int most = int.MaxValue)
    {
        List<MarkedText> parts = [];
        int from = 0;
        for (int at = Text.IndexOf(separator, StringComparison.Ordinal); at >= 0 && parts.Count < most; at = Text.IndexOf(separator, from, StringComparison.Ordinal))
        {
            parts.Add(Slice(from, at - from));
            from = at + separator.Length;
        }
        parts.Add(Slice(from, Length - from));
        return parts;
    }

    internal static MarkedText Join(MarkedText separator, IEnumerable<MarkedText> parts) =>
        Concat(parts.SelectMany((part, i) => i == 0 ? new[] { part } : [separator, part]));

    public override string ToString() => Text;
}
