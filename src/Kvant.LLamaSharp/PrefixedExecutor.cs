using System.Runtime.InteropServices;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Conversations;
using Kvant.Conversations.Stores;
using Kvant.LlamaCpp;
using Kvant.LlamaCpp.Compression;
using Kvant.LlamaCpp.States;
using LLama.Batched;
using LLama.Native;

namespace Kvant.LLamaSharp;

/// <summary>
/// A store of prefixes in front of a <see cref="BatchedExecutor"/>: the longest stored beginning of a prompt is loaded instead of computed, and what was computed is stored, in chunks that
/// conversations which begin alike share, in this process, later and elsewhere (<see cref="PrefixStore"/>, docs/conversations.md).
/// </summary>
/// <remarks>As the executor: one thread at a time.</remarks>
public sealed class PrefixedExecutor : IAsyncDisposable
{
    private readonly PrefixStore _prefixes;
    private readonly WorkerTeam _team;
    private readonly ModelFacts _facts;

    /// <summary>A store in front of an executor.</summary>
    /// <param name="executor">The executor; stays the caller's.</param>
    /// <param name="store">Where chunks live; stays the caller's.</param>
    /// <param name="options">How states are compressed; its policy has one entry, or one for each layer. Null for the preset <c>balanced</c>.</param>
    /// <param name="tenant">Keeps users apart (<see cref="PrefixOptions.Tenant"/>).</param>
    /// <exception cref="NotSupportedException">The model has sliding windows or recurrent layers: use <c>SaveCompressed</c> and <c>LoadCompressed</c>.</exception>
    /// <exception cref="ArgumentException">The policy does not fit the model.</exception>
    public PrefixedExecutor(BatchedExecutor executor, IChunkStore store, LlamaStateOptions? options = null, string tenant = "")
    {
        ArgumentNullException.ThrowIfNull(executor);
        options ??= new();
        _facts = ModelFacts.Of(executor.Context);
        if (_facts.HasSlidingWindows || _facts.HasRecurrentLayers)
            throw new NotSupportedException($"Models with {(_facts.HasSlidingWindows ? "sliding windows" : "recurrent layers")} have no prefixes in chunks here; SaveCompressed and LoadCompressed take their conversations.");
        Executor = executor;
        CacheGeometry geometry = options.Geometry ?? _facts.Geometry;
        CacheIdentity identity = options.Identity ?? _facts.Identity;
        KvCacheOptions cache = new()
        {
            Geometry = geometry,
            Policy = options.Policy.Count == 1 ? new LayerPolicy(Enumerable.Repeat(options.Policy[0], geometry.Layers)) : options.Policy,
            Sinks = options.Sinks,
            Window = options.Window,
            // Rows of llama.cpp are not those of other engines to the last bit.
            Identity = identity with { Note = identity.Note is { } note ? $"llama.cpp, {note}" : "llama.cpp" },
        };
        _prefixes = new PrefixStore(store, new PrefixOptions { Cache = cache, Tenant = tenant });
        _team = new WorkerTeam(options.Threads);
    }

    /// <summary>The executor.</summary>
    public BatchedExecutor Executor { get; }

    /// <summary>What has been done so far.</summary>
    public PrefixStatistics Statistics => _prefixes.Statistics;

    /// <summary>Begins a conversation: loads the longest stored beginning of a prompt and queues the rest, at least its last token.</summary>
    /// <param name="tokens">The prompt, at least a token.</param>
    /// <param name="cancellation">Ends the call; there is no new conversation then.</param>
    /// <exception cref="ArgumentException">There are no tokens.</exception>
    public async Task<PromptedConversation> PromptAsync(ReadOnlyMemory<LLamaToken> tokens, CancellationToken cancellation = default)
    {
        if (tokens.IsEmpty)
            throw new ArgumentException("A prompt has a token at least.", nameof(tokens));
        StoredSequence stored = await _prefixes.RestoreAsync(Numbers(tokens.Span[..^1]), cancellation).ConfigureAwait(false);
        Conversation? conversation = null;
        try
        {
            conversation = Executor.Create();
            // What llama.cpp does not take is as good as not stored: other conversations may leave no room for it.
            int restored = stored.RestoredTokens > 0 && TryLoad(conversation, stored.Cache) ? stored.RestoredTokens : 0;
            if (restored < stored.RestoredTokens)
                stored.Cache.Truncate(0);
            conversation.Prompt(tokens.Span[restored..]);
            return new PromptedConversation(conversation, restored) { Stored = stored, Held = Numbers(tokens.Span[..restored]) };
        }
        catch
        {
            conversation?.Dispose();
            stored.Dispose();
            throw;
        }
    }

    /// <summary>Has what was computed since the last call stored, in the background. Call it behind a prompt, and at the end.</summary>
    /// <param name="prompted">The conversation; nothing of it may wait to be read.</param>
    /// <param name="tokens">All its tokens, from the first one on, at least those that it holds.</param>
    /// <exception cref="InvalidOperationException">Tokens wait to be read: call <c>Infer</c> first.</exception>
    /// <exception cref="ArgumentException">There are fewer tokens than the conversation holds.</exception>
    /// <exception cref="InvalidDataException">It was shifted, or its tokens are not from position 0 on.</exception>
    public StoreOutcome Store(PromptedConversation prompted, ReadOnlySpan<LLamaToken> tokens)
    {
        ArgumentNullException.ThrowIfNull(prompted);
        Conversation conversation = prompted.Conversation;
        if (conversation.RequiresInference)
            throw new InvalidOperationException("Tokens of the conversation wait to be read; its state would be without them.");
        int count = (int)Executor.Context.NativeHandle.MemorySequenceMaxPosition(conversation.ConversationId) + 1;
        if (tokens.Length < count)
            throw new ArgumentException($"There are {tokens.Length} tokens; the conversation holds {count}.", nameof(tokens));
        StoredSequence stored = prompted.Stored!;
        using NativeBuffer buffer = NativeBuffer.Of(Executor.Context, conversation.ConversationId);
        using UnmanagedMemoryStream stream = buffer.Open();
        LlamaState state = LlamaState.Read(stream);
        ContextLayout.Of(Executor.Context).Learn(state);
        if (CacheRows.Misfit(state, stored.Cache.Geometry) is { } reason)
            throw new InvalidDataException($"The conversation cannot be stored: {reason}.");
        // One that went back and, perhaps, on otherwise: rows are those of the tokens that were read, not of those that stand there now.
        int[] numbers = Numbers(tokens[..count]);
        int same = prompted.Held.AsSpan().CommonPrefixLength(numbers);
        if (stored.Cache.Length > same)
            stored.Cache.Truncate(same);
        prompted.Held = numbers[..same];
        CacheRows.Append(state, stored.Cache, count, _team);
        prompted.Held = numbers;
        return stored.Store(numbers);
    }

    /// <summary>Waits until all that was to be stored up to now is, or was refused.</summary>
    /// <param name="cancellation">Ends the waiting.</param>
    public Task FlushAsync(CancellationToken cancellation = default) => _prefixes.FlushAsync(cancellation);

    /// <summary>Writes what waits and ends; executor and store stay.</summary>
    public async ValueTask DisposeAsync()
    {
        await _prefixes.DisposeAsync().ConfigureAwait(false);
        _team.Dispose();
    }

    private bool TryLoad(Conversation conversation, KvCache cache)
    {
        ContextLayout layout = ContextLayout.Of(Executor.Context);
        if (cache.Length > layout.Cells || !layout.KeyType.IsFloat || !layout.ValueType.IsFloat)
            return false;
        bool transposed = layout.IsTransposed ?? false;
        AttentionPart part = CacheRows.Outline(cache, layout.Streams, layout.KeyType, layout.ValueType, transposed, out long length);
        using var buffer = new NativeBuffer(length);
        using (UnmanagedMemoryStream stream = buffer.Open())
            CacheRows.Write(cache, part, (int)conversation.ConversationId, stream, _team);
        using RestoredState restored = RestoredState.Of(Executor.Context, conversation.ConversationId, buffer, transposed);
        try
        {
            restored.Apply();
        }
        catch (InvalidOperationException)
        {
            return false;
        }

        conversation.EndWithItsCells();
        return true;
    }

    private static int[] Numbers(ReadOnlySpan<LLamaToken> tokens) => MemoryMarshal.Cast<LLamaToken, int>(tokens).ToArray();
}
