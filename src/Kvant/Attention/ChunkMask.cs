namespace Kvant.Attention;

/// <summary>Which tokens of a part of a prompt see each other: by default each sees itself and those before.</summary>
public readonly ref struct ChunkMask
{
    private ChunkMask(ReadOnlySpan<int> numbers, bool isTree)
    {
        Numbers = numbers;
        IsTree = isTree;
    }

    /// <summary>Each token sees itself and those before.</summary>
    public static ChunkMask Causal => default;

    /// <summary>A parent, or a last token, for each token; empty where all is causal.</summary>
    internal ReadOnlySpan<int> Numbers { get; }

    /// <summary>Whether the numbers are parents.</summary>
    internal bool IsTree { get; }

    /// <summary>A tree of drafts: a token sees itself, its ancestors and what is cached (speculative decoding as in SpecInfer, 2023). It stands as many positions
    /// behind the cached tokens as it has ancestors, so that tokens of different branches stand side by side.</summary>
    /// <param name="parents">For each token the number of its parent among those before it; -1 for one that follows the cached tokens.</param>
    public static ChunkMask Tree(ReadOnlySpan<int> parents) => new(parents, true);

    /// <summary>Parts that see each other in both directions, as those of an image do.</summary>
    /// <param name="last">For each token the number of the last one that it sees: its own where it is causal, that of the last token of its part where it is not.</param>
    public static ChunkMask Until(ReadOnlySpan<int> last) => new(last, false);

    /// <summary>Checks the numbers.</summary>
    /// <param name="tokens">Tokens of the part.</param>
    /// <exception cref="ArgumentException">There is not one per token, or one is impossible.</exception>
    internal void Require(int tokens)
    {
        if (Numbers.IsEmpty)
            return;
        if (Numbers.Length != tokens)
            throw new ArgumentException($"The mask is for {Numbers.Length} tokens; there are {tokens}.");
        for (int i = 0; i < tokens; i++)
        {
            if (IsTree && (Numbers[i] < -1 || Numbers[i] >= i))
                throw new ArgumentException($"Token {i} has the parent {Numbers[i]}; it must be one before it, or -1.");
            if (!IsTree && (Numbers[i] < i || Numbers[i] >= tokens))
                throw new ArgumentException($"Token {i} sees tokens up to {Numbers[i]}; it must be {i} to {tokens - 1}.");
        }
    }
}
