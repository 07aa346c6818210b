using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Kvant.Conversations;
using Kvant.Models.Generation;
using Kvant.Models.Tokenizers;
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
/// <para>Any number of requests may run at once; they take turns on the threads, step by step. A cancellation is seen at every token.</para>
/// <para>Of <see cref="ChatOptions"/>: temperature, top-k, top-p, penalties, seed, stop sequences, most tokens, instructions, and among the additional properties <c>min_p</c> and
/// <c>repetition_penalty</c>. Tools, other contents than text and other formats than text are refused.</para>
/// <para>With a <see cref="ChatOptions.ConversationId"/> (any text of the caller's) the client remembers the turns, and a request has the new messages alone.</para>
/// </remarks>
public sealed partial class KvantChatClient : IChatClient, IAsyncDisposable
{
    private readonly KvantChatOptions _options;
    private readonly ChatEngine _engine;
    private readonly ILogger _logger;
    private readonly ChatClientMetadata _metadata;
    private readonly ConcurrentDictionary<string, IReadOnlyList<Turn>> _conversations = new();

    /// <summary>Opens the model.</summary>
    /// <param name="options">Which model, and how it runs.</param>
    /// <param name="logger">Hears of every request; null for nobody.</param>
    /// <exception cref="InvalidDataException">The file is no model that can be run, or says of no known family how a conversation is written.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="ArgumentException">The policy is neither a preset nor a file, or does not fit the model.</exception>
    public KvantChatClient(KvantChatOptions options, ILogger<KvantChatClient>? logger = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        (_options, _logger) = (options, logger ?? (ILogger)NullLogger.Instance);
        _engine = new ChatEngine(options);
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
        string? conversation = options?.ConversationId;
        IReadOnlyList<Turn> earlier = conversation is null ? [] : _conversations.GetValueOrDefault(conversation) ?? [];
        ChatRequest request = ChatRequest.Of(earlier, messages, options, _options);
        string id = "chatcmpl-" + Guid.NewGuid().ToString("N");
        var pieces = Channel.CreateUnbounded<string>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<Answer> answering = Task.Run(() => AnswerAsync(request, pieces.Writer, cancellation.Token), CancellationToken.None);
        try
        {
            await foreach (string piece in pieces.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
                yield return Update(new TextContent(piece));
        }
        finally
        {
            // Whoever stops listening stops the model, too.
            await cancellation.CancelAsync().ConfigureAwait(false);
            await Task.WhenAny(answering).ConfigureAwait(false);
        }

        Answer answer = await answering.ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        if (conversation is not null)
            _conversations[conversation] = [.. request.Turns, new Turn("assistant", answer.Text)];
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
            ConversationId = conversation,
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

    private async Task<Answer> AnswerAsync(ChatRequest request, ChannelWriter<string> pieces, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        try
        {
            (ChatSession session, int[] prompt) = await _engine.TakeAsync(request.Turns, cancellation).ConfigureAwait(false);
            bool whole = false;
            try
            {
                int cached = session.Tokens.Count;
                float[] logits = new float[_engine.VocabularySize];
                Sampler sampler = new(_engine.VocabularySize, request.Sampling);
                for (int at = cached, count; at < prompt.Length; at += count)
                {
                    whole = true; // as it is; a step that fails in its middle is another matter
                    cancellation.ThrowIfCancellationRequested();
                    whole = false;
                    count = Math.Min(_options.Batch, prompt.Length - at);
                    session.Read(prompt.AsSpan(at, count), at + count == prompt.Length ? logits : default(Memory<float>));
                }

                foreach (int token in prompt)
                    sampler.Accept(token);
                TokenAssembler assembler = _engine.Tokenizer.CreateAssembler();
                StopText stop = new(request.Stops);
                System.Text.StringBuilder text = new();
                ChatFinishReason finish = ChatFinishReason.Length;
                int written = 0;
                for (; written < request.MostTokens && finish == ChatFinishReason.Length; written++)
                {
                    whole = true;
                    cancellation.ThrowIfCancellationRequested();
                    whole = false;
                    int token = sampler.Choose(logits);
                    Hand(stop.Append(assembler.Append(token)));
                    session.Read([token], logits);
                    if (_engine.Tokenizer.IsEnd(token) || stop.HasEnded)
                        finish = ChatFinishReason.Stop;
                }

                if (!stop.HasEnded)
                    Hand(stop.Append(assembler.Finish()) + stop.Finish());
                if (finish == ChatFinishReason.Stop && !stop.HasEnded)
                    session.Held = [.. request.Turns, new Turn("assistant", text.ToString())];
                whole = true;
                return new Answer(text.ToString(), prompt.Length, cached, written, finish, Stopwatch.GetElapsedTime(start));

                void Hand(string piece)
                {
                    if (piece.Length == 0)
                        return;
                    text.Append(piece);
                    pieces.TryWrite(piece);
                }
            }
            finally
            {
                if (whole)
                    _engine.Return(session);
                else
                    _engine.Drop(session);
            }
        }
        finally
        {
            pieces.Complete();
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Prompt} tokens of prompt, {Cached} of them cached; {Written} written, ended by {Finish}, in {Milliseconds:0} ms")]
    private static partial void Log(ILogger logger, int prompt, int cached, int written, string finish, double milliseconds);

    private sealed record Answer(string Text, int Prompt, int Cached, int Written, ChatFinishReason Finish, TimeSpan Time);
}
