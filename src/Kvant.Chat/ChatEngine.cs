using Kvant.Attention;
using Kvant.Caching;
using Kvant.Conversations;
using Kvant.Formats;
using Kvant.Models.Decoding;
using Kvant.Models.Generation;
using Kvant.Models.Tokenizers;
using Turn = Kvant.Models.Generation.ChatMessage;

namespace Kvant.Chat;

/// <summary>A model, and the conversations with it that are in memory.</summary>
internal sealed class ChatEngine : IAsyncDisposable
{
    // A beginning that is shorter is read faster than it is forked.
    private const int ShortestShared = 16;

    private readonly KvantChatOptions _options;
    private readonly LanguageModel _model;
    private readonly ChatTemplate _template;
    private readonly KvCacheOptions _cache;
    private readonly DecoderOptions _decoding;
    private readonly WorkerTeam _team;
    private readonly PagePool? _ownPool;
    private readonly PrefixStore? _prefixes;
    private readonly Lock _lock = new(), _turn = new();
    private readonly LinkedList<ChatSession> _idle = []; // used last first
    private readonly HashSet<ChatSession> _busy = []; // requests have them; others may fork what they have read
    private bool _disposed;

    public ChatEngine(KvantChatOptions options)
    {
        _options = options;
        _decoding = new DecoderOptions { Arithmetic = options.Arithmetic, Batch = options.Batch };
        _model = LanguageModel.Open(options.Model);
        try
        {
            Tokenizer = Tokenizer.Read(_model.File);
            _template = ChatTemplate.Find(_model.File)
                ?? throw new InvalidDataException($"{options.Model}: the model has no chat template that is known (known: {string.Join(", ", ChatTemplate.Known.Select(t => t.Name))})");
            _ownPool = options.Pool is null ? new PagePool() : null;
            _cache = CacheOptions() with { Pool = options.Pool ?? _ownPool };
            _prefixes = options.Store is null ? null : new PrefixStore(options.Store, new PrefixOptions { Cache = _cache, Tenant = options.Tenant });
            _team = new WorkerTeam(options.Threads);
        }
        catch
        {
            _ownPool?.Dispose();
            _model.Dispose();
            throw;
        }
    }

    public Tokenizer Tokenizer { get; }

    public int VocabularySize => _model.VocabularySize;

    /// <summary>What the model is called.</summary>
    public string ModelName => Path.GetFileNameWithoutExtension(_options.Model);

    /// <summary>What the store of prefixes did; null where there is none.</summary>
    public PrefixStatistics? Statistics => _prefixes?.Statistics;

    /// <summary>Finds, forks, restores or begins the session that knows most of a conversation, and says which tokens it has to read.</summary>
    /// <param name="turns">All turns so far.</param>
    /// <param name="cancellation">Ends the restoring.</param>
    /// <returns>The session, which nobody else has, and all tokens: those behind what its cache holds are to be read, at least one.</returns>
    public async Task<(ChatSession Session, int[] Tokens)> TakeAsync(IReadOnlyList<Turn> turns, CancellationToken cancellation)
    {
        if (TakeNext(turns) is { } next)
            return next;
        int[] tokens = _template.Encode(Tokenizer, turns);
        (ChatSession session, int known) = TakeLongest(tokens.AsSpan(0, tokens.Length - 1));
        if (_prefixes is null || tokens.Length - 1 - known < _prefixes.Options.ChunkTokens)
            return (session, tokens);
        try
        {
            StoredSequence stored = await _prefixes.RestoreAsync(tokens.AsMemory(0, tokens.Length - 1), cancellation).ConfigureAwait(false);
            if (stored.RestoredTokens <= known)
            {
                stored.Dispose();
                return (session, tokens);
            }

            Drop(session);
            return (Busy(new ChatSession(_model, stored.Cache, tokens.AsSpan(0, stored.RestoredTokens), stored, _team, _turn, _decoding)), tokens);
        }
        catch
        {
            Drop(session);
            throw;
        }
    }

    /// <summary>Puts a session back that is whole; the ones used longest ago go where there are too many.</summary>
    public void Return(ChatSession session)
    {
        List<ChatSession> gone = [];
        lock (_lock)
        {
            _busy.Remove(session);
            _idle.AddFirst(session);
            while (_disposed ? _idle.Count > 0 : _idle.Count > _options.Caches)
            {
                gone.Add(_idle.Last!.Value);
                _idle.RemoveLast();
            }
        }

        foreach (ChatSession old in gone)
            old.Dispose();
    }

    /// <summary>Ends a session that is not whole, or that nobody wants.</summary>
    public void Drop(ChatSession session)
    {
        lock (_lock)
            _busy.Remove(session);
        session.Dispose();
    }

    /// <summary>Waits until what was said is stored.</summary>
    public Task FlushAsync(CancellationToken cancellation) => _prefixes?.FlushAsync(cancellation) ?? Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            if (_disposed)
                return;
            _disposed = true;
        }

        if (_prefixes is not null)
            await _prefixes.DisposeAsync().ConfigureAwait(false);
        foreach (ChatSession session in _idle)
            session.Dispose();
        _idle.Clear();
        _team.Dispose();
        _ownPool?.Dispose();
        _model.Dispose();
    }

    // A session that holds all turns but the new ones: its tokens are what the model said, not what its text would be cut into.
    private (ChatSession, int[])? TakeNext(IReadOnlyList<Turn> turns)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            foreach (ChatSession session in _idle)
            {
                if (session.Held is not { } held || held.Count >= turns.Count || !held.SequenceEqual(turns.Take(held.Count)))
                    continue;
                try
                {
                    int[] next = _template.EncodeNext(Tokenizer, held, [.. turns.Skip(held.Count)]);
                    _idle.Remove(session);
                    _busy.Add(session);
                    return (session, [.. session.Tokens, .. next]);
                }
                catch (InvalidDataException)
                {
                    // A template that writes earlier turns otherwise: only the whole is right.
                    return null;
                }
            }
        }

        return null;
    }

    private (ChatSession Session, int Known) TakeLongest(ReadOnlySpan<int> tokens)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            ChatSession? best = null;
            int known = 0;
            foreach (ChatSession session in _idle.Concat(_busy))
            {
                int common = session.CommonPrefix(tokens);
                if (common > known && session.Cache.CanTruncate(common))
                    (best, known) = (session, common);
            }

            if (best is not null && !_busy.Contains(best) && known == best.Tokens.Count)
            {
                _idle.Remove(best);
                _busy.Add(best);
                return (best, known);
            }

            // What others have besides stays theirs.
            KvCache cache = best is not null && known >= ShortestShared ? ForkOf(best, known) : new KvCache(_cache);
            known = Math.Min(known, cache.Length);
            ChatSession fork = new(_model, cache, tokens[..known], _prefixes?.Follow(cache), _team, _turn, _decoding);
            _busy.Add(fork);
            return (fork, known);
        }
    }

    private ChatSession Busy(ChatSession session)
    {
        lock (_lock)
            _busy.Add(session);
        return session;
    }

    // A session that reads on may have forgotten meanwhile what its windows would want.
    private KvCache ForkOf(ChatSession session, int length)
    {
        KvCache fork = session.Cache.Fork();
        try
        {
            fork.Truncate(length);
            return fork;
        }
        catch (InvalidOperationException)
        {
            fork.Dispose();
            return new KvCache(_cache);
        }
    }

    private KvCacheOptions CacheOptions()
    {
        if (CachePreset.Find(_options.Policy) is not null)
            return KvCacheOptions.Preset(_options.Policy, _model.CacheGeometry) with { Identity = _model.Identity };
        CachePolicy policy = File.Exists(_options.Policy) ? CachePolicyFile.Load(_options.Policy)
            : throw new ArgumentException($"'{_options.Policy}' is neither a preset ({string.Join(", ", CachePreset.All.Select(p => p.Name))}) nor a file.");
        return policy.CreateOptions() with { Geometry = _model.CacheGeometry, Identity = _model.Identity };
    }
}
