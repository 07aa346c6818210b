namespace Kvant.Models.Tokenizers;

/// <summary>
/// How a family of models cuts text into words before pairs merge: stages that each cut the pieces of the one before.
/// </summary>
internal sealed record PreTokenizer(string[] Names, WordRule[] Stages)
{
    private static readonly PreTokenizer[] s_all =
    [
        new(["llama-bpe", "llama3", "llama-v3"], [static text => WordRules.Cl100k(text, 3)]) { AddsBegin = true, PrefersWholeWords = true },
        new(["qwen2", "deepseek-r1-qwen"], [static text => WordRules.Cl100k(text, 1)]),
        new(["smollm"], [WordRules.SingleNumbers, WordRules.Gpt2]),
        new(["gpt-2", "phi-2"], [WordRules.Gpt2]),
        new(["default"], [WordRules.Punctuation, WordRules.Gpt2, WordRules.Numbers, WordRules.ThreeDigits]),
    ];

    /// <summary>What llama.cpp takes for files that name none.</summary>
    internal static PreTokenizer Default => s_all[^1];

    internal static string Known => string.Join(", ", s_all.SelectMany(static p => p.Names));

    /// <summary>Whether models of the family want a token for the beginning if their file says nothing.</summary>
    internal bool AddsBegin { get; init; }

    /// <summary>Whether a word that is a token is that token, whatever the merges say.</summary>
    internal bool PrefersWholeWords { get; init; }

    internal static PreTokenizer? Find(string name) => Array.Find(s_all, p => p.Names.Contains(name));

    internal List<Range> Split(ReadOnlySpan<char> text)
    {
        List<Range> pieces = text.IsEmpty ? [] : [Range.EndAt(text.Length)];
        foreach (WordRule rule in Stages)
        {
            List<Range> finer = new(pieces.Count);
            foreach (Range piece in pieces)
            {
                (int start, int length) = piece.GetOffsetAndLength(text.Length);
                for (int end = start + length; start < end;)
                {
                    int word = rule(text[start..end]);
                    finer.Add(start..(start + word));
                    start += word;
                }
            }
            pieces = finer;
        }
        return pieces;
    }
}
