using System.Text;

namespace Kvant.Chat;

/// <summary>Lets text through piece by piece up to the first of some texts that end it, and holds back what may be the beginning of one.</summary>
/// <param name="ends">What ends the text; not part of it.</param>
internal sealed class StopText(IReadOnlyList<string> ends)
{
    private readonly StringBuilder _held = new();

    /// <summary>Whether an end was found: nothing follows.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>Takes a piece and gives what can be shown by now.</summary>
    public string Append(string piece)
    {
        if (HasEnded || (ends.Count == 0 && _held.Length == 0))
            return HasEnded ? "" : piece;
        string text = _held.Append(piece).ToString();
        int end = ends.Select(e => text.IndexOf(e, StringComparison.Ordinal)).Where(i => i >= 0).DefaultIfEmpty(-1).Min();
        HasEnded = end >= 0;
        int shown = HasEnded ? end : text.Length - ends.Max(e => Beginning(text, e));
        _held.Clear();
        if (!HasEnded)
            _held.Append(text, shown, text.Length - shown);
        return text[..shown];
    }

    /// <summary>What was held back and is no end after all.</summary>
    public string Finish()
    {
        string rest = HasEnded ? "" : _held.ToString();
        _held.Clear();
        return rest;
    }

    // The longest end of a text that is the beginning of another.
    private static int Beginning(string text, string end)
    {
        int length = Math.Min(text.Length, end.Length - 1);
        while (length > 0 && !text.EndsWith(end[..length], StringComparison.Ordinal))
            length--;
        return length;
    }
}
