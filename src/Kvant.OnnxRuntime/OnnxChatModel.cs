using Kvant.Caching;
using Kvant.Chat.Scheduling;

namespace Kvant.OnnxRuntime;

/// <summary>An exported decoder for the scheduler of <c>Kvant.Chat</c>.</summary>
/// <param name="decoder">Stays the caller's.</param>
/// <param name="context">Tokens of a sequence at most.</param>
internal sealed class OnnxChatModel(OnnxDecoder decoder, int context) : IChatModel
{
    public int Context => context;

    public int VocabularySize => decoder.VocabularySize;

    public KvCacheOptions CacheOptions(string policy) => decoder.CacheOptions(policy) with { Identity = decoder.Identity };

    public void Read(KvCache cache, ReadOnlySpan<int> tokens, Memory<float> logits) => decoder.Forward(cache, tokens, logits.Span);

    public void Step(ReadOnlySpan<KvCache> caches, ReadOnlySpan<int> tokens, Memory<float> logits) => decoder.Forward(caches, tokens, logits.Span);

    public void Dispose()
    {
        // The caller's decoder goes on.
    }
}
