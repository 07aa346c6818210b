using System.Runtime.CompilerServices;
using Kvant.Caching;

namespace Kvant.Attention;

/// <summary>
/// Attention over a <see cref="KvCache"/>, straight from its compressed bytes: one token of one sequence or of many at a time (<see cref="Decode(KvCache, int, TokenRows, Span{float}, Span{float}, TokenRows)"/>),
/// or a prompt (<see cref="Prefill"/>). Holds the threads and the memory that a step needs, so that a step allocates nothing.
/// </summary>
/// <remarks>
/// <para>Softmax over scores in one pass, with a running maximum (FlashAttention's, Dao et al., 2022; Milakov and Gimelshein, 2018); queries that share a
/// key-value head are scored together. Work goes to threads by sequence and key-value head, and by ranges of tokens where there are fewer of those than threads; the
/// result depends on their number by float rounding alone.</para>
/// <para>One call at a time; a second one, of whatever kind, is refused: make one per thread of your own. It works for every cache of its geometry.</para>
/// </remarks>
public sealed partial class CacheAttention : IDisposable
{
    private readonly AttentionSettings[] _settings; // one, or one per layer
    private readonly WorkerTeam _team;
    private readonly bool _ownsTeam;

    private Turn _turn;

    /// <summary>Makes room for the attention of a geometry.</summary>
    /// <param name="geometry">The shape of the caches.</param>
    /// <param name="settings">How attention is computed; the defaults where null.</param>
    /// <param name="team">Threads that others use in turn; they stay the caller's, and the settings' number of threads does not matter then. Null
    /// for threads of its own.</param>
    /// <exception cref="ArgumentException">Query heads do not divide into groups, or there is not one slope or sink logit per query head, or one is not finite.</exception>
    [OverloadResolutionPriority(1)] // for null and new()
    public CacheAttention(CacheGeometry geometry, AttentionSettings? settings = null, WorkerTeam? team = null)
        : this(geometry, [settings ?? new()], team)
    {
    }

    /// <summary>As above, for models whose layers differ in more than their shape.</summary>
    /// <param name="geometry">The shape of the caches.</param>
    /// <param name="settings">How attention is computed, one entry per layer, or one for all; the first says how many threads.</param>
    /// <param name="team">As above.</param>
    /// <exception cref="ArgumentException">As above, or there is another number of settings.</exception>
    public CacheAttention(CacheGeometry geometry, IReadOnlyList<AttentionSettings> settings, WorkerTeam? team = null)
    {
        (_settings, Geometry) = (AttentionArguments.Settings(geometry, settings), geometry);
        _team = team ?? new WorkerTeam(_settings[0].Threads);
        _ownsTeam = team is null;
        _work = Work;
        _passes = new AttentionPass[_team.Size];
        LayerGeometry[] shapes = [.. Enumerable.Range(0, geometry.Layers).Select(layer => geometry[layer]).Distinct()];
        for (int i = 0; i < _passes.Length; i++)
            _passes[i] = new AttentionPass(shapes.Max(s => TokensPerPass(s) * s.GroupSize), shapes.Max(s => s.KeyDimension), shapes.Max(s => Math.Max(s.ValueDimension, s.ValuesInKeys ? s.KeyDimension : 0)));
    }

    /// <summary>The shape of the caches.</summary>
    public CacheGeometry Geometry { get; }

    /// <summary>How attention is computed, in a layer.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    public AttentionSettings SettingsOf(int layer) => _settings[_settings.Length == 1 ? 0 : layer];

    // Pairs of a query and a cached token that are worth waking other threads: some ten microseconds of work. Tests set it to 0.
    internal long FewestSharedPairs { get; init; } = 8192;

    /// <summary>The newest token attends to all that the layer holds, itself included: append it first.</summary>
    /// <param name="cache">The cache.</param>
    /// <param name="layer">0 to layers - 1.</param>
    /// <param name="queries">[query head, key dimension], with rotary embeddings where the keys have them.</param>
    /// <param name="outputs">Receives [query head, value dimension]; zeros where there is nothing to attend to.</param>
    /// <param name="logSumExp">Receives, per query head, the natural logarithm of the sum of e^logit (that of <see cref="AttentionSettings.SinkLogits"/> too), by which results over
    /// parts of a sequence can be merged; empty if it is not wanted.</param>
    /// <param name="sinkQueries">Other queries for the sinks, such as some that are rotated to another position; empty for the same.</param>
    /// <exception cref="ArgumentException">A length is wrong, a number of a query is NaN or infinite, or the cache has another geometry.</exception>
    /// <exception cref="InvalidOperationException">Another call on this object is in progress.</exception>
    /// <exception cref="ObjectDisposedException">This object or the cache is disposed.</exception>
    public void Decode(KvCache cache, int layer, TokenRows queries, Span<float> outputs, Span<float> logSumExp = default, TokenRows sinkQueries = default) =>
        Decode([cache], layer, queries, outputs, logSumExp, sinkQueries);

    /// <summary>As <see cref="Decode(KvCache, int, TokenRows, Span{float}, Span{float}, TokenRows)"/> for the newest tokens of many sequences in one call, which shares the
    /// threads over all of them however long each is.</summary>
    /// <param name="caches">A cache per sequence; one may stand there twice.</param>
    /// <param name="layer">0 to layers - 1.</param>
    /// <param name="queries">[sequence, query head, key dimension].</param>
    /// <param name="outputs">Receives [sequence, query head, value dimension].</param>
    /// <param name="logSumExp">Receives [sequence, query head]; empty if it is not wanted.</param>
    /// <param name="sinkQueries">[sequence, query head, key dimension]; empty for the same.</param>
    /// <inheritdoc cref="Decode(KvCache, int, TokenRows, Span{float}, Span{float}, TokenRows)"/>
    public void Decode(ReadOnlySpan<KvCache> caches, int layer, TokenRows queries, Span<float> outputs, Span<float> logSumExp = default, TokenRows sinkQueries = default)
    {
        foreach (KvCache cache in caches)
            CheckCache(cache);
        LayerGeometry shape = Geometry[layer];
        AttentionArguments.RequireStep(shape, caches.Length, queries, outputs.Length, logSumExp.Length, sinkQueries);
        using Turn.Taken turn = _turn.Take(this);
        Keep(queries, caches.Length, ref _queries, nameof(queries));
        Keep(sinkQueries, sinkQueries.IsEmpty ? 0 : caches.Length, ref _sinkQueries, nameof(sinkQueries));
        ReadLocks.Enter(caches, ref _order);
        try
        {
            Begin(layer, caches, tokens: 1);
            _sinksApart = !sinkQueries.IsEmpty;
            int floats = shape.QueryHeads * shape.KeyDimension;
            for (int i = 0; i < caches.Length; i++)
                caches[i].Observe(layer, _sequences[i].Position, _queries.AsSpan(i * floats, floats));
            RunStep();
            _partials.Merge(caches.Length * shape.QueryHeads, SettingsOf(layer).SinkLogits, outputs, logSumExp);
        }
        finally
        {
            ExitReads(caches);
        }

        void Keep(TokenRows rows, int count, ref float[] copy, string name)
        {
            int width = shape.QueryHeads * shape.KeyDimension;
            Grow(ref copy, count * width);
            rows.CopyTo(0, count, width, copy);
            AttentionArguments.RequireFinite(copy.AsSpan(0, count * width), shape.KeyDimension, name);
        }
    }

    /// <summary>Ends the threads, unless they are shared, after the call in progress; twice is fine.</summary>
    /// <exception cref="InvalidOperationException">Called from within a call, which would wait for itself.</exception>
    public void Dispose()
    {
        if (_turn.End(this, within: _team.IsWorker) && _ownsTeam)
            _team.Dispose();
    }

    private static void Grow(ref float[] buffer, int length)
    {
        if (buffer.Length < length)
            buffer = new float[length];
    }

    private void CheckCache(KvCache cache)
    {
        ArgumentNullException.ThrowIfNull(cache);
        if (cache.Geometry != Geometry)
            throw new ArgumentException($"The cache is {cache.Geometry}; this attention is for {Geometry}.", nameof(cache));
    }
}
