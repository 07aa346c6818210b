using System.Text;

namespace Kvant.Chat;

/// <summary>Lets text through piece by piece up to the first of some texts that end it, and holds back what may be the beginning of one. The first is the one that is whole first, the longest of several; each sign of the text costs the same, however long they are.</summary>
/// <param name="ends">What ends the text; not part of it.</param>
internal sealed class StopText(IReadOnlyList<string> ends)
{
    private readonly StopMatch[] _matches = [.. ends.Select(end => new StopMatch(end))];
    private readonly StringBuilder _held = new();

    /// <summary>Whether an end was found: nothing follows.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>Takes a piece and gives what can be shown by now.</summary>
    public string Append(string piece)
    {
        if (HasEnded || _matches.Length == 0)
            return HasEnded ? "" : piece;
        foreach (char sign in piece)
        {
            _held.Append(sign);
            int length = 0;
            foreach (StopMatch match in _matches)
            {
                if (match.Take(sign))
                    length = Math.Max(length, match.Length);
            }

            if (length == 0)
                continue;
            HasEnded = true;
            string last = _held.ToString(0, _held.Length - length);
            _held.Clear();
            return last;
        }

        int shown = _held.Length - _matches.Max(m => m.Matched);
        string text = _held.ToString(0, shown);
        _held.Remove(0, shown);
        return text;
    }

    /// <summary>What was held back and is no end after all.</summary>
    public string Finish()
    {
        string rest = HasEnded ? "" : _held.ToString();
        _held.Clear();
        return rest;
    }
}
