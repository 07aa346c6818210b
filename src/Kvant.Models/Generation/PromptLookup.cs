using System.Runtime.InteropServices;

namespace Kvant.Models.Generation;

/// <summary>
/// Guesses how a text goes on by looking at what it said before: where the last few tokens stood earlier, what followed them then may follow them now
/// (prompt lookup decoding, Saxena 2023). Names, quotations and code repeat themselves, and a guess costs no model.
/// </summary>
internal sealed class PromptLookup
{
    // One token alone stood nearly everywhere before, and what followed it then says little.
    private const int Fewest = 2;

    // Of places that agree with so many of the last tokens, the latest is as good as any.
    private const int Most = 64;

    private readonly List<int> _tokens = [];

    /// <summary>Takes the next token of the text.</summary>
    public void Add(int token) => _tokens.Add(token);

    /// <summary>Guesses the tokens behind the last one: those that followed where most of the last tokens stood before, the latest such place. So many are guessed as agree
    /// there: a wrong guess costs nearly as much as a token, and the longer the agreement is, the longer it lasts.</summary>
    /// <param name="guesses">Receives them.</param>
    /// <returns>How many were filled in; none where no two last tokens stood before.</returns>
    public int Guess(Span<int> guesses)
    {
        ReadOnlySpan<int> text = CollectionsMarshal.AsSpan(_tokens);
        int longest = Fewest - 1, found = -1;
        if (guesses.IsEmpty || text.Length < Fewest) return 0;
        for (int end = text.Length - 1; longest < Most && (end = text[..end].LastIndexOf(text[^1])) >= 0;)
        {
            if (Agreeing(text, end) is var agreeing && agreeing > longest) (longest, found) = (agreeing, end);
        }
        if (found < 0) return 0;
        int count = Math.Min(longest, guesses.Length);
        // Behind the text the guesses themselves go on, as in a line that is said again and again.
        for (int i = 0; i < count; i++)
        {
            int at = found + 1 + i;
            guesses[i] = at < text.Length ? text[at] : guesses[at - text.Length];
        }
        return count;
    }

    // How many tokens up to a place are those at the end of the text.
    private static int Agreeing(ReadOnlySpan<int> text, int end)
    {
        int count = 1;
        while (count < Most && count <= end && text[end - count] == text[^(count + 1)]) count++;
        return count;
    }
}
