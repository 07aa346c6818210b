using Kvant.Caching;
using Kvant.Formats;
using Kvant.LlamaCpp;
using LLama.Batched;
using LLama.Native;

namespace Kvant.LLamaSharp;

/// <summary>Conversations of a <see cref="BatchedExecutor"/>, compressed.</summary>
public static class CompressedConversations
{
    extension(Conversation conversation)
    {
        /// <summary>Writes the conversation's state, compressed.</summary>
        /// <param name="destination">Receives it, front to back; it need not seek.</param>
        /// <param name="options">How; null for the preset <c>balanced</c>.</param>
        /// <param name="done">Is told which share is done, from 0 to 1.</param>
        /// <param name="cancellation">Stops between layers.</param>
        /// <exception cref="InvalidOperationException">Tokens wait to be read: call <c>Infer</c> first.</exception>
        public void SaveCompressed(Stream destination, LlamaStateOptions? options = null, IProgress<double>? done = null, CancellationToken cancellation = default)
        {
            ArgumentNullException.ThrowIfNull(conversation);
            if (conversation.RequiresInference)
                throw new InvalidOperationException("Tokens of the conversation wait to be read; its state would be without them.");
            conversation.Executor.Context.SaveCompressedState(destination, conversation.ConversationId, options, done, cancellation);
        }

        /// <summary>As above, to a file, which appears whole or not at all.</summary>
        /// <param name="path">The file to create or replace.</param>
        /// <param name="options">As above.</param>
        /// <param name="done">As above.</param>
        /// <param name="cancellation">As above; it leaves no file.</param>
        /// <exception cref="IOException">The file cannot be written.</exception>
        public void SaveCompressed(string path, LlamaStateOptions? options = null, IProgress<double>? done = null, CancellationToken cancellation = default)
        {
            using AtomicFile file = AtomicFile.Create(path);
            conversation.SaveCompressed(file.Stream, options, done, cancellation);
            file.Commit();
        }
    }

    /// <summary>Makes a conversation of what <c>SaveCompressed</c> wrote. It has to be prompted before it can be sampled.</summary>
    /// <param name="executor">The executor.</param>
    /// <param name="source">Stands at its first byte; it need not seek.</param>
    /// <param name="expected">What the state must belong to; null for what the executor's model says of itself.</param>
    /// <param name="done">Is told which share is done, from 0 to 1.</param>
    /// <param name="cancellation">Stops between layers.</param>
    /// <exception cref="InvalidDataException">It is damaged, of another model, or larger than the context; there is no new conversation.</exception>
    /// <exception cref="InvalidOperationException">llama.cpp has no room for it; there is no new conversation.</exception>
    public static Conversation LoadCompressed(this BatchedExecutor executor, Stream source, CacheIdentity? expected = null, IProgress<double>? done = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(executor);
        Conversation conversation = executor.Create();
        try
        {
            executor.Context.LoadCompressedState(source, conversation.ConversationId, expected, 0, done, cancellation);
            conversation.EndWithItsCells();
            return conversation;
        }
        catch
        {
            conversation.Dispose();
            throw;
        }
    }

    /// <summary>As above, from a file.</summary>
    /// <param name="executor">As above.</param>
    /// <param name="path">The file.</param>
    /// <param name="expected">As above.</param>
    /// <param name="done">As above.</param>
    /// <param name="cancellation">As above.</param>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static Conversation LoadCompressed(this BatchedExecutor executor, string path, CacheIdentity? expected = null, IProgress<double>? done = null, CancellationToken cancellation = default)
    {
        using FileStream stream = File.OpenRead(path);
        return executor.LoadCompressed(stream, expected, done, cancellation);
    }

    /// <summary>Lets the next token of a conversation follow the last that its sequence holds.</summary>
    internal static void EndWithItsCells(this Conversation conversation)
    {
        LLamaPos last = conversation.Executor.Context.NativeHandle.MemorySequenceMaxPosition(conversation.ConversationId);
        conversation.Modify((_, _) => (int)last + 1);
    }
}
