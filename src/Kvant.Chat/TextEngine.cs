using Kvant.Caching;
using Kvant.Chat.Scheduling;
using Kvant.Codecs;
using Kvant.Conversations;
using Kvant.Models.Decoding;
using Kvant.Models.Generation;
using Kvant.Models.Gguf;
using Kvant.Models.Tokenizers;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Turn = Kvant.Models.Generation.ChatMessage;

namespace Kvant.Chat;

/// <summary>A model that answers many requests at once: what <see cref="KvantChatClient"/> and a server are made of.</summary>
internal sealed class TextEngine : IAsyncDisposable
{
    private readonly KvantChatOptions _options;
    private readonly IChatModel _model;
    private readonly ChatTemplate? _template;
    private readonly PagePool? _ownPool;
    private readonly TenantStores _stores;
    private readonly Scheduler _scheduler;
    private bool _disposed;

    /// <summary>Opens a model.</summary>
    /// <param name="options">Which, and how it runs.</param>
    /// <param name="needsTemplate">Whether a model that says nothing of conversations is refused.</param>
    /// <param name="logger">Hears of faults; null for nobody.</param>
    /// <exception cref="ArgumentException">Weights are to be copied, which serves fast arithmetic, and arithmetic is to be exact.</exception>
    public TextEngine(KvantChatOptions options, bool needsTemplate, ILogger? logger = null)
        : this(options, Open(options), needsTemplate, logger)
    {
    }

    /// <summary>Runs a model.</summary>
    /// <param name="options">How it runs.</param>
    /// <param name="model">Ends with it.</param>
    /// <param name="file">Where tokenizer and template are; read here alone.</param>
    /// <param name="needsTemplate">As above.</param>
    /// <param name="logger">As above.</param>
    public TextEngine(KvantChatOptions options, IChatModel model, GgufFile file, bool needsTemplate, ILogger? logger)
    {
        (_options, _model) = (options, model);
        try
        {
            Tokenizer = Tokenizer.Read(file);
            _template = ChatTemplate.Find(file);
            if (needsTemplate)
                RequireTemplate();
            _ownPool = options.Pool is null ? new PagePool() : null;
            KvCacheOptions cache = _model.CacheOptions(options.Policy);
            cache = cache with { Window = options.Window ?? cache.Window, Sinks = options.Sinks ?? cache.Sinks, Pool = options.Pool ?? _ownPool, MemoryLimit = options.MemoryLimit, Floor = options.Floor is { } floor ? _model.CacheOptions(floor).Policy : null };
            _stores = new TenantStores(options.Store, cache);
            _ = _stores.Of(options.Tenant); // what does not fit is refused here
            _scheduler = new Scheduler(_model, Tokenizer, cache, _stores, options, EncodeNext, logger ?? NullLogger.Instance);
        }
        catch
        {
            _ownPool?.Dispose();
            _model.Dispose();
            throw;
        }
    }

    private TextEngine(KvantChatOptions options, LanguageModel model, bool needsTemplate, ILogger? logger)
        : this(options, new GgufChatModel(model, options), model.File, needsTemplate, logger)
    {
    }

    public Tokenizer Tokenizer { get; }

    /// <summary>Tokens of a sequence at most.</summary>
    public int Context => _model.Context;

    /// <summary>Whether the model says how a conversation is written.</summary>
    public bool HasTemplate => _template is not null;

    /// <summary>Memory of all caches, in bytes.</summary>
    public long UsedBytes => (_options.Pool ?? _ownPool!).UsedBytes;

    /// <summary>What the model is called.</summary>
    public string ModelName => Path.GetFileNameWithoutExtension(_options.Model);

    /// <summary>What the store of prefixes did for the client's tenant; null where there is none.</summary>
    public PrefixStatistics? Statistics => _stores.Of(_options.Tenant)?.Statistics;

    /// <summary>Turns as the model wants them, in tokens.</summary>
    /// <exception cref="InvalidDataException">The model says of no known family how a conversation is written, or refuses these turns.</exception>
    public int[] Encode(IReadOnlyList<Turn> turns) => RequireTemplate().Encode(Tokenizer, turns);

    /// <summary>Has a request answered.</summary>
    /// <exception cref="PromptTooLongException">The prompt leaves no room for an answer.</exception>
    /// <exception cref="QueueFullException">Too many requests wait.</exception>
    public Answer Submit(TextRequest request, CancellationToken cancellation) => request.Tokens.Length < Context
        ? _scheduler.Submit(request, cancellation)
        : throw new PromptTooLongException(request.Tokens.Length, Context);

    /// <summary>Waits until what was said is stored.</summary>
    public Task FlushAsync(CancellationToken cancellation) => _stores.FlushAsync(cancellation);

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true))
            return;
        _scheduler.Dispose();
        await _stores.DisposeAsync().ConfigureAwait(false);
        _ownPool?.Dispose();
        _model.Dispose();
    }

    private static LanguageModel Open(KvantChatOptions options)
    {
        if (options.CopyWeights && options.Arithmetic == Arithmetic.Exact)
            throw new ArgumentException("Copied weights serve fast arithmetic; leave out CopyWeights, or Arithmetic.Exact.", nameof(options));
        LanguageModel model = LanguageModel.Open(options.Model);
        try
        {
            if (options.CopyWeights)
                model.CopyWeights(options.Threads);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private ChatTemplate RequireTemplate() => _template
        ?? throw new InvalidDataException($"{_options.Model}: the model has no chat template that is known (known: {string.Join(", ", ChatTemplate.Known.Select(t => t.Name))})");

    private int[]? EncodeNext(IReadOnlyList<Turn> held, IReadOnlyList<Turn> next)
    {
        try
        {
            return _template?.EncodeNext(Tokenizer, held, next);
        }
        catch (InvalidDataException)
        {
            // A template that writes earlier turns otherwise: only the whole is right.
            return null;
        }
    }
}
