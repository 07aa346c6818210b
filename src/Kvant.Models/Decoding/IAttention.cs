namespace Kvant.Models.Decoding;

/// <summary>
/// What a decoder needs of a cache: a place for keys and values, and attention over them. The decoder knows nothing else of it, so
/// nothing of how it compresses.
/// </summary>
public interface IAttention
{
    /// <summary>How many tokens every layer holds: the position of the next token. Nobody else counts positions.</summary>
    /// <exception cref="InvalidOperationException">Layers hold different numbers of tokens.</exception>
    int Length { get; }

    /// <summary>Grows whenever tokens come or go: who keeps what belongs to the last token sees that way whether it is still that one.</summary>
    long Changes { get; }

    /// <summary>Refuses a model to which what is cached does not belong. A decoder asks before each step, so the answer is quick and allocates nothing.</summary>
    /// <param name="model">The model whose tokens are to come.</param>
    /// <exception cref="InvalidOperationException">The cache has another shape, or it is another model's.</exception>
    void Require(LanguageModel model);

    /// <summary>Takes the keys and values of the next tokens of a layer, and attends causally: each of these tokens sees those before it and itself.</summary>
    /// <param name="layer">Counted from 0.</param>
    /// <param name="queries">tokens x query heads x dimension, already turned by their positions; scores are dot products divided by the
    /// root of the dimension.</param>
    /// <param name="keys">tokens x key-value heads x dimension, already turned by their positions.</param>
    /// <param name="values">As many.</param>
    /// <param name="outputs">Receives tokens x query heads x dimension: the values mixed by the softmax of the scores.</param>
    void Attend(int layer, ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, Span<float> outputs);
}
