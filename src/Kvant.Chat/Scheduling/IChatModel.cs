using Kvant.Caching;

namespace Kvant.Chat.Scheduling;

/// <summary>What a scheduler needs of a model, whoever computes it. One call at a time.</summary>
internal interface IChatModel : IDisposable
{
    /// <summary>Tokens of a sequence at most.</summary>
    int Context { get; }

    /// <summary>Logits of a token.</summary>
    int VocabularySize { get; }

    /// <summary>How caches of the model store, by what a user says.</summary>
    /// <param name="policy">A preset, steps by age, or a policy file.</param>
    KvCacheOptions CacheOptions(string policy);

    /// <summary>Reads the next part of a prompt.</summary>
    /// <param name="cache">The sequence.</param>
    /// <param name="tokens">At most <see cref="KvantChatOptions.Batch"/>.</param>
    /// <param name="logits">Receives those behind the last token; empty where nobody wants them.</param>
    void Read(KvCache cache, ReadOnlySpan<int> tokens, Memory<float> logits);

    /// <summary>Gives the next token of some sequences to the model.</summary>
    /// <param name="caches">The sequences.</param>
    /// <param name="tokens">One each.</param>
    /// <param name="logits">Receives sequences x vocabulary.</param>
    void Step(ReadOnlySpan<KvCache> caches, ReadOnlySpan<int> tokens, Memory<float> logits);
}
