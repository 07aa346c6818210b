using LLama.Batched;

namespace Kvant.LLamaSharp;

/// <summary>A conversation that <see cref="PrefixedExecutor"/> began: what was stored of its beginning was loaded, the rest waits for <see cref="BatchedExecutor.Infer"/>.</summary>
/// <param name="conversation">The conversation.</param>
/// <param name="restoredTokens">Tokens that were loaded.</param>
public sealed class PromptedConversation(Conversation conversation, int restoredTokens) : IDisposable
{
    /// <summary>The conversation, of LLamaSharp: sample it, prompt it, fork it as any other.</summary>
    public Conversation Conversation => conversation;

    /// <summary>Tokens that were loaded instead of read.</summary>
    public int RestoredTokens => restoredTokens;

    /// <summary>What the store knows of it.</summary>
    internal Conversations.StoredSequence? Stored { get; init; }

    /// <summary>The tokens whose rows its cache holds.</summary>
    internal int[] Held { get; set; } = [];

    /// <summary>Ends the conversation; what waits to be stored still is.</summary>
    public void Dispose()
    {
        Stored?.Dispose();
        if (!conversation.IsDisposed)
            conversation.Dispose();
    }
}
