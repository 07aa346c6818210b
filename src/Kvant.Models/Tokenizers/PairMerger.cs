using System.Runtime.InteropServices;

namespace Kvant.Models.Tokenizers;

/// <summary>
/// Byte-pair encoding: of all neighbors that may merge, the best pair does, the leftmost of equals first, until none may.
/// A queue holds the candidates, so that n symbols take n log n steps whatever the text is.
/// </summary>
internal abstract class PairMerger
{
    private readonly PriorityQueue<(int Left, int Right, int Length, int Token), (double Rank, int Left)> _queue = new();
    private readonly List<Symbol> _symbols = [];

    /// <summary>Adds a symbol behind those that are there.</summary>
    internal void Add(int start, int length, int token)
    {
        int index = _symbols.Count;
        if (index > 0) CollectionsMarshal.AsSpan(_symbols)[index - 1].Next = index;
        _symbols.Add(new Symbol(start, length, token, index - 1, -1));
    }

    /// <summary>Merges the symbols that were added and returns what is left, in order; the merged ones have length 0.</summary>
    internal ReadOnlySpan<Symbol> Merge(ReadOnlySpan<char> text)
    {
        Span<Symbol> symbols = CollectionsMarshal.AsSpan(_symbols);
        for (int i = 1; i < symbols.Length; i++) Propose(text, symbols, i - 1, i);
        while (_queue.TryDequeue(out (int Left, int Right, int Length, int Token) pair, out _))
        {
            ref Symbol left = ref symbols[pair.Left];
            ref Symbol right = ref symbols[pair.Right];
            // One of the two has merged with another since.
            if (left.Length == 0 || right.Length == 0 || left.Length + right.Length != pair.Length) continue;
            left = left with { Length = pair.Length, Token = pair.Token, Next = right.Next };
            if (right.Next >= 0) symbols[right.Next].Previous = pair.Left;
            right.Length = 0;
            Propose(text, symbols, left.Previous, pair.Left);
            Propose(text, symbols, pair.Left, left.Next);
        }
        return symbols;
    }

    internal void Clear() => _symbols.Clear();

    /// <summary>Whether two neighbors may merge, into which token, and how good that is: less is better.</summary>
    private protected abstract bool TryPair(ReadOnlySpan<char> text, Symbol left, Symbol right, out int token, out double rank);

    private void Propose(ReadOnlySpan<char> text, Span<Symbol> symbols, int left, int right)
    {
        if (left < 0 || right < 0 || !TryPair(text, symbols[left], symbols[right], out int token, out double rank)) return;
        _queue.Enqueue((left, right, symbols[left].Length + symbols[right].Length, token), (rank, left));
    }
}
