using System.Runtime.InteropServices;

namespace Kvant.Models.Tokenizers;

/// <summary>The tokens of words that came before: most of a text are a few thousand words. It forgets all of them when it is full, so that it stays
/// small whatever the text is. One thread at a time.</summary>
internal sealed class WordCache
{
    private const int MostWords = 1 << 14;
    private const int LongestWord = 32;

    private readonly Dictionary<string, (int First, int Count)> _words = [];
    private readonly List<int> _tokens = [];

    /// <summary>Appends the tokens of a word, if it is known.</summary>
    internal bool TryAppend(ReadOnlySpan<char> word, List<int> tokens)
    {
        if (word.Length > LongestWord || !_words.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(word, out (int First, int Count) known)) return false;
        tokens.AddRange(CollectionsMarshal.AsSpan(_tokens).Slice(known.First, known.Count));
        return true;
    }

    /// <summary>Keeps the tokens of a word.</summary>
    internal void Keep(ReadOnlySpan<char> word, ReadOnlySpan<int> tokens)
    {
        if (word.Length > LongestWord) return;
        if (_words.Count == MostWords)
        {
            _words.Clear();
            _tokens.Clear();
        }

        if (_words.TryAdd(word.ToString(), (_tokens.Count, tokens.Length))) _tokens.AddRange(tokens);
    }
}
