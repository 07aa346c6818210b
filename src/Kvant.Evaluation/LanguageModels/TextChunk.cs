namespace Kvant.Evaluation.LanguageModels;

/// <summary>A piece of a text that a model reads from an empty cache.</summary>
/// <param name="Inputs">The tokens that it reads, the one that begins a text in front if the model has one.</param>
/// <param name="Targets">Behind each of them the token that truly follows.</param>
internal sealed record TextChunk(ReadOnlyMemory<int> Inputs, ReadOnlyMemory<int> Targets)
{
    /// <summary>Cuts a text into chunks of a context, without overlap; what is left at the end fills none and is not read.</summary>
    /// <param name="text">The text's tokens, without one that begins it.</param>
    /// <param name="begin">The token that the model wants in front, or null.</param>
    /// <param name="context">Tokens of a chunk.</param>
    /// <param name="most">Chunks at most.</param>
    public static TextChunk[] Cut(int[] text, int? begin, int context, int most)
    {
        // Without a token in front the first token of a chunk is not predicted, so one more is needed behind the last.
        int chunks = Math.Min(most, (text.Length - (begin is null ? 1 : 0)) / context);
        return [.. Enumerable.Range(0, Math.Max(0, chunks)).Select(Chunk)];

        TextChunk Chunk(int i)
        {
            int start = i * context;
            return begin is { } first
                ? new TextChunk((int[])[first, .. text.AsSpan(start, context - 1)], text.AsMemory(start, context))
                : new TextChunk(text.AsMemory(start, context), text.AsMemory(start + 1, context));
        }
    }
}
