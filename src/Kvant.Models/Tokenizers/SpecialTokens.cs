using System.Buffers;

namespace Kvant.Models.Tokenizers;

/// <summary>Finds tokens that stand for themselves in a text, such as <c>&lt;|im_start|&gt;</c>: the leftmost, and there the longest.</summary>
internal sealed class SpecialTokens
{
    // No model has longer ones; the limit keeps the search linear in the text, whatever a file claims.
    private const int Longest = 128;

    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _tokens;
    private readonly SearchValues<char> _firsts;
    private readonly Dictionary<char, int[]> _lengths;

    internal SpecialTokens(Vocabulary vocabulary, Func<TokenKind, bool> includes)
    {
        Dictionary<string, int> tokens = [];
        for (int token = 0; token < vocabulary.Count; token++)
        {
            string text = vocabulary.Text(token);
            if (text.Length is > 0 and <= Longest && includes(vocabulary.Kind(token))) tokens.TryAdd(text, token);
        }
        _tokens = tokens.GetAlternateLookup<ReadOnlySpan<char>>();
        _lengths = tokens.Keys.GroupBy(static t => t[0]).ToDictionary(static g => g.Key, static g => g.Select(static t => t.Length).Distinct().OrderDescending().ToArray());
        _firsts = SearchValues.Create([.. _lengths.Keys]);
    }

    /// <summary>The next special token; <paramref name="start"/> is the length of the text if there is none.</summary>
    internal bool TryFind(ReadOnlySpan<char> text, out int start, out int length, out int token)
    {
        start = 0;
        while (true)
        {
            int next = text[start..].IndexOfAny(_firsts);
            if (next < 0) break;
            start += next;
            foreach (int candidate in _lengths[text[start]])
            {
                length = candidate;
                if (length <= text.Length - start && _tokens.TryGetValue(text.Slice(start, length), out token)) return true;
            }
            start++;
        }
        (start, length, token) = (text.Length, 0, 0);
        return false;
    }
}
