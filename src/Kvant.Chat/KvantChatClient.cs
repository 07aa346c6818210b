using System.Runtime.CompilerServices;
using Kvant.Chat.Scheduling;
using Kvant.Conversations;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Turn = Kvant.Models.Generation.ChatMessage;

namespace Kvant.Chat;

/// <summary>
/// A model in a GGUF file behind <see cref="IChatClient"/>. What a request shares with earlier ones stays in compressed caches and, where the options name one, in
/// a store: the next turn of a conversation reads its own tokens alone.
/// </summary>
/// <remarks>
/// <para>Requests may come at once: one step gives all that run their next token, and prompts are read in pieces between steps. <see cref="KvantChatOptions.Running"/> run, others wait; more than
/// <see cref="KvantChatOptions.Queue"/> of them are refused by an <see cref="InvalidOperationException"/>. A cancellation is seen at every token.</para>
/// <para>Of <see cref="ChatOptions"/>: temperature, top-k, top-p, penalties, seed, stop sequences, most tokens, instructions, and among the additional properties <c>min_p</c> and
/// <c>repetition_penalty</c>. Tools, other contents than text and other formats than text are refused.</para>
/// <para>With a <see cref="ChatOptions.ConversationId"/> (any text of the caller's) the client remembers the turns, and a request has the new messages alone. It remembers those used last, <see cref="KvantChatOptions.Conversations"/> of them;
/// one that is forgotten begins anew. A second turn of a conversation while one is being answered is refused by an <see cref="InvalidOperationException"/>.</para>
/// </remarks>
public sealed partial class KvantChatClient : IChatClient, IAsyncDisposable
{
    private readonly KvantChatOptions _options;
    private readonly TextEngine _engine;
    private readonly ILogger _logger;
    private readonly ChatClientMetadata _metadata;
    private readonly ConversationMemory _conversations;

    /// <summary>Opens the model.</summary>
    /// <param name="options">Which model, and how it runs.</param>
    /// <param name="logger">Hears of every request, and of faults; null for nobody.</param>
    /// <exception cref="InvalidDataException">The file is no model that can be run, or says of no known family how a conversation is written; or the policy is one for another model.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="ArgumentException">The policy is neither a preset nor a file, or does not fit the model.</exception>
    /// <exception cref="FormatException">Its steps by age are not understood.</exception>
    public KvantChatClient(KvantChatOptions options, ILogger<KvantChatClient>? logger = null)
        : this(options ?? throw new ArgumentNullException(nameof(options)), new TextEngine(options, needsTemplate: true, logger), logger)
    {
    }

    /// <summary>As above, for a model that somebody else computes.</summary>
    internal KvantChatClient(KvantChatOptions options, TextEngine engine, ILogger<KvantChatClient>? logger)
    {
        (_options, _engine, _logger, _conversations) = (options, engine, logger ?? (ILogger)NullLogger.Instance, new ConversationMemory(options.Conversations));
        _metadata = new ChatClientMetadata("kvant", defaultModelId: _engine.ModelName);
    }

    /// <summary>What the store of conversations did so far; null where the options name none.</summary>
    public PrefixStatistics? StoreStatistics => _engine.Statistics;

    /// <inheritdoc/>
    public async Task<ChatResponse> GetResponseAsync(IEnumerable<Microsoft.Extensions.AI.ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        await GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<Microsoft.Extensions.AI.ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        using ConversationMemory.Conversation? conversation = options?.ConversationId is { } name ? _conversations.Begin(name) : null;
        ChatRequest request = ChatRequest.Of(conversation?.Turns ?? [], messages, options, _options);
        string id = "chatcmpl-" + Guid.NewGuid().ToString("N");
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Answer answering = _engine.Submit(request.ToText(_engine.Encode(request.Turns), _options.Tenant), cancellation.Token);
        try
        {
            await foreach (string piece in answering.Pieces.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
                yield return Update(new TextContent(piece));
        }
        finally
        {
            // Whoever stops listening stops the model, too.
            await cancellation.CancelAsync().ConfigureAwait(false);
            await Task.WhenAny(answering.End).ConfigureAwait(false);
        }

        cancellationToken.ThrowIfCancellationRequested();
        AnswerEnd answer = await answering.End.ConfigureAwait(false);
        if (conversation is not null)
            conversation.Turns = [.. request.Turns, new Turn("assistant", answer.Text)];
        Log(_logger, answer.Prompt, answer.Cached, answer.Written, answer.Finish.Value, answer.Time.TotalMilliseconds);
        ChatResponseUpdate last = Update(new UsageContent(new UsageDetails
        {
            InputTokenCount = answer.Prompt,
            OutputTokenCount = answer.Written,
            TotalTokenCount = answer.Prompt + answer.Written,
            CachedInputTokenCount = answer.Cached,
        }));
        last.FinishReason = answer.Finish;
        yield return last;

        ChatResponseUpdate Update(AIContent content) => new(ChatRole.Assistant, [content])
        {
            ResponseId = id,
            MessageId = id,
            ModelId = _engine.ModelName,
            CreatedAt = DateTimeOffset.UtcNow,
            ConversationId = conversation?.Name,
        };
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null : serviceType == typeof(ChatClientMetadata) ? _metadata : serviceType.IsInstanceOfType(this) ? this : null;
    }

    /// <summary>Waits until what was said so far is stored.</summary>
    /// <param name="cancellation">Ends the waiting.</param>
    public Task FlushAsync(CancellationToken cancellation = default) => _engine.FlushAsync(cancellation);

    /// <summary>Stores what waits and closes the model. No request may run.</summary>
    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    /// <inheritdoc cref="DisposeAsync"/>
    public void Dispose() => _engine.DisposeAsync().AsTask().GetAwaiter().GetResult();

    [LoggerMessage(Level = LogLevel.Information, Message = "{Prompt} tokens of prompt, {Cached} of them cached; {Written} written, ended by {Finish}, in {Milliseconds:0} ms")]
    private static partial void Log(ILogger logger, int prompt, int cached, int written, string finish, double milliseconds);
}
