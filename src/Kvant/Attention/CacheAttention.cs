using Kvant.Caching;
using Kvant.Kernels;

namespace Kvant.Attention;

/// <summary>
/// Attention over a <see cref="KvCache"/>, straight from its compressed bytes: one token at a time (<see cref="Decode"/>) or a prompt
/// (<see cref="Prefill"/>). Holds the threads and the memory that a step needs, so that a step allocates nothing.
/// </summary>
/// <remarks>
/// <para>Softmax over scores in one pass, with a running maximum (FlashAttention's, Dao et al., 2022; Milakov and Gimelshein, 2018); queries that share a
/// key-value head are scored together. Work goes to threads by key-value head, and by ranges of tokens where there are fewer heads than threads; the
/// result depends on their number by float rounding alone.</para>
/// <para>One call at a time; a second one, of whatever kind, is refused: make one per thread of your own. It works for every cache of its geometry.</para>
/// </remarks>
public sealed partial class CacheAttention : IDisposable
{
    // Queries that a thread takes at once: enough to use each block many times, few enough that all scores stay in the second-level cache.
    private const int QueriesPerPass = 64;

    // Pages that are worth a thread of their own.
    private const int FewestPagesPerSplit = 2;

    private readonly AttentionPass[] _passes;
    private readonly WorkerTeam _team;
    private readonly bool _ownsTeam;
    private readonly Action<int> _work;
    private readonly PartialResults _partials;
    private readonly int _tokensPerPass;

    private Turn _turn;

    // The call in progress, as the workers see it.
    private KvCache? _cache;
    private int _layer;
    private int _runs;
    private int _splits;
    private int _blocks;
    private int _items;
    private int _next;
    private int _tokens;
    private int _firstToken;
    private int _position;
    private bool _sinksApart;
    private float[] _queries = [];
    private float[] _sinkQueries = [];

    /// <summary>Makes room for the attention of a geometry.</summary>
    /// <param name="geometry">The shape of the caches.</param>
    /// <param name="settings">How attention is computed; the defaults where null.</param>
    /// <param name="team">Threads that others use in turn; they stay the caller's, and the settings' number of threads does not matter then. Null
    /// for threads of its own.</param>
    /// <exception cref="ArgumentException">Query heads do not divide into groups, or there is not one slope per query head, or one is not finite.</exception>
    public CacheAttention(CacheGeometry geometry, AttentionSettings? settings = null, WorkerTeam? team = null)
    {
        ArgumentNullException.ThrowIfNull(geometry);
        Settings = settings ?? new();
        Geometry = geometry;
        if (geometry.QueryHeads % geometry.KvHeads != 0)
            throw new ArgumentException($"There are {geometry.QueryHeads} query heads; they must be a multiple of the {geometry.KvHeads} key-value heads.", nameof(geometry));
        if (Settings.Slopes is { } slopes && slopes.Count != geometry.QueryHeads)
            throw new ArgumentException($"There are {slopes.Count} slopes; there must be {geometry.QueryHeads}, one per query head.", nameof(settings));
        if (Settings.Slopes is { } all && !all.All(float.IsFinite))
            throw new ArgumentException($"A slope is {all.First(x => !float.IsFinite(x))}; slopes must be finite.", nameof(settings));
        _tokensPerPass = Math.Max(1, QueriesPerPass / geometry.GroupSize);
        _team = team ?? new WorkerTeam(Settings.Threads);
        _ownsTeam = team is null;
        _work = Work;
        _passes = new AttentionPass[_team.Size];
        for (int i = 0; i < _passes.Length; i++)
            _passes[i] = new AttentionPass(geometry, Settings, _tokensPerPass * geometry.GroupSize);
        _partials = new PartialResults(geometry.ValueDimension);
    }

    /// <summary>The shape of the caches.</summary>
    public CacheGeometry Geometry { get; }

    /// <summary>How attention is computed.</summary>
    public AttentionSettings Settings { get; }

    // Pairs of a query and a cached token that are worth waking other threads: some ten microseconds of work. Tests set it to 0.
    internal long FewestSharedPairs { get; init; } = 8192;

    /// <summary>The newest token attends to all that the layer holds, itself included: append it first.</summary>
    /// <param name="cache">The cache.</param>
    /// <param name="layer">0 to layers - 1.</param>
    /// <param name="queries">[query head, key dimension], with rotary embeddings where the keys have them.</param>
    /// <param name="outputs">Receives [query head, value dimension]; zeros where there is nothing to attend to.</param>
    /// <param name="logSumExp">Receives, per query head, the natural logarithm of the sum of e^logit, by which results over parts of a
    /// sequence can be merged; empty if it is not wanted.</param>
    /// <param name="sinkQueries">Other queries for the sinks, such as some that are rotated to another position; empty for the same.</param>
    /// <exception cref="ArgumentException">A length is wrong, a number of a query is NaN or infinite, or the cache has another geometry.</exception>
    /// <exception cref="InvalidOperationException">Another call on this object is in progress.</exception>
    /// <exception cref="ObjectDisposedException">This object or the cache is disposed.</exception>
    public void Decode(
        KvCache cache, int layer, ReadOnlySpan<float> queries, Span<float> outputs, Span<float> logSumExp = default, ReadOnlySpan<float> sinkQueries = default)
    {
        CheckCache(cache);
        CheckLength(queries.Length, Geometry.QueryHeads, Geometry.KeyDimension, nameof(queries));
        CheckLength(outputs.Length, Geometry.QueryHeads, Geometry.ValueDimension, nameof(outputs));
        if (!logSumExp.IsEmpty)
            CheckLength(logSumExp.Length, Geometry.QueryHeads, 1, nameof(logSumExp));
        if (!sinkQueries.IsEmpty)
            CheckLength(sinkQueries.Length, Geometry.QueryHeads, Geometry.KeyDimension, nameof(sinkQueries));
        CheckFinite(queries, nameof(queries));
        CheckFinite(sinkQueries, nameof(sinkQueries));
        using Turn.Taken turn = _turn.Take(this);
        cache.EnterRead();
        try
        {
            cache.Observe(layer, cache.LayerLength(layer) - 1, queries);
            Begin(cache, layer, queries, sinkQueries, tokens: 1, cache.LayerLength(layer) - 1);
            RunStep();
            _partials.Merge(Geometry.QueryHeads, _splits, outputs, logSumExp);
        }
        finally
        {
            cache.ExitRead();
            _cache = null;
        }
    }

    /// <summary>Ends the threads, unless they are shared, after the call in progress; twice is fine.</summary>
    /// <exception cref="InvalidOperationException">Called from within a call, which would wait for itself.</exception>
    public void Dispose()
    {
        if (_turn.End(this, within: _team.IsWorker) && _ownsTeam)
            _team.Dispose();
    }

    private void Begin(KvCache cache, int layer, ReadOnlySpan<float> queries, ReadOnlySpan<float> sinkQueries, int tokens, int position)
    {
        (_cache, _layer, _tokens, _firstToken, _position) = (cache, layer, tokens, 0, position);
        _runs = new CacheReader(cache).RunCount(layer);
        _blocks = (tokens + _tokensPerPass - 1) / _tokensPerPass;
        int units = Geometry.KvHeads * _blocks;
        _splits = Math.Clamp((_team.Size + units - 1) / units, 1, Math.Max(1, _runs / FewestPagesPerSplit));
        _items = units * _splits;
        _sinksApart = !sinkQueries.IsEmpty;
        Keep(queries, ref _queries);
        Keep(sinkQueries, ref _sinkQueries);
        _partials.Resize(tokens * Geometry.QueryHeads, _splits);
    }

    private void RunStep()
    {
        _next = 0;
        long pairs = (long)_tokens * Geometry.QueryHeads * (_position + 1 + _chunkTokens);
        _team.Run(_work, alone: pairs < FewestSharedPairs);
    }

    // Threads take items in turn: a block of tokens of a key-value head, or a range of its runs.
    private void Work(int worker)
    {
        AttentionPass pass = _passes[worker];
        for (int item = Interlocked.Increment(ref _next) - 1; item < _items; item = Interlocked.Increment(ref _next) - 1)
        {
            int split = item % _splits, head = item / _splits % Geometry.KvHeads, block = item / _splits / Geometry.KvHeads;
            int first = block * _tokensPerPass, tokens = Math.Min(_tokensPerPass, _tokens - first);
            Fill(pass, head, first, tokens);
            AbsorbRuns(pass, head, split);
            if (_chunkTokens > 0)
                AbsorbChunk(pass, head, first + tokens);
            pass.Leave();
            for (int q = 0; q < tokens * Geometry.GroupSize; q++)
            {
                int token = first + (q / Geometry.GroupSize), queryHead = (head * Geometry.GroupSize) + (q % Geometry.GroupSize);
                _partials.Store((token * Geometry.QueryHeads) + queryHead, split, pass.Result(q));
            }
        }
    }

    private void Fill(AttentionPass pass, int head, int first, int tokens)
    {
        int group = Geometry.GroupSize, d = Geometry.KeyDimension;
        int sinks = _cache!.Options.Sinks;
        pass.Begin(tokens * group, sinks);
        for (int t = 0; t < tokens; t++)
        {
            int from = (((first + t) * Geometry.QueryHeads) + (head * group)) * d;
            _queries.AsSpan(from, group * d).CopyTo(pass.Queries.AsSpan(t * group * d));
            if (_sinksApart)
                _sinkQueries.AsSpan(from, group * d).CopyTo(pass.SinkQueries.AsSpan(t * group * d));
            int position = _position + _firstToken + first + t, firstLive = _cache.Options.Eviction.FirstLive((long)position + 1, sinks);
            for (int g = 0; g < group; g++)
                pass.Place((t * group) + g, position, (head * group) + g, firstLive);
        }
    }

    private void AbsorbRuns(AttentionPass pass, int head, int split)
    {
        int from = (int)((long)_runs * split / _splits), to = (int)((long)_runs * (split + 1) / _splits);
        if (from == to)
            return;
        // Under the lock of the thread that made the call.
        var reader = new CacheReader(_cache!);
        CacheRun run = reader.Run(_layer, head, from);
        for (int i = from; i < to; i++)
        {
            CacheRun next = i + 1 < to ? reader.Run(_layer, head, i + 1) : default;
            pass.Absorb(run, _sinksApart && IsSinks(run), next.Keys, next.Values);
            run = next;
        }
    }

    private bool IsSinks(in CacheRun run) => run.FirstPosition + run.Rows <= _cache!.Options.Sinks;

    private static void Keep(ReadOnlySpan<float> source, ref float[] copy)
    {
        if (copy.Length < source.Length)
            copy = new float[source.Length];
        source.CopyTo(copy);
    }

    private void CheckCache(KvCache cache)
    {
        ArgumentNullException.ThrowIfNull(cache);
        if (cache.Geometry != Geometry)
            throw new ArgumentException($"The cache is {cache.Geometry}; this attention is for {Geometry}.", nameof(cache));
    }

    // Integers and a running maximum would make plausible numbers of them.
    private void CheckFinite(ReadOnlySpan<float> queries, string name)
    {
        if (Finiteness.All(queries))
            return;
        int i = Finiteness.FirstBad(queries);
        throw new ArgumentException($"Query {i / Geometry.KeyDimension}, channel {i % Geometry.KeyDimension} is {queries[i]}; queries must be finite.", name);
    }

    private static void CheckLength(int found, int rows, int unit, string name)
    {
        if (found != (long)rows * unit)
            throw new ArgumentException($"The length is {found}; it must be {(long)rows * unit}.", name);
    }
}
