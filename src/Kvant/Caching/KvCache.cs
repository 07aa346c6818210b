namespace Kvant.Caching;

/// <summary>
/// The keys and values of one sequence, compressed: of each layer and head a compressed body between two runs in half precision,
/// the sinks (the first tokens) and the window (the newest).
/// </summary>
/// <remarks>
/// <para>A row is rounded to the window's codec as it enters and waits there until a whole block leaves the window, so the bytes never
/// depend on how tokens were split into calls. Positions are absolute and never move; rotary embeddings belong to the caller.</para>
/// <para>One thread may write while others read; what writes waits for them, and is refused on a thread that reads (<see cref="Read{TState}"/>).
/// Memory is native: dispose the cache.</para>
/// <para>A call that is refused changes nothing.</para>
/// </remarks>
public sealed partial class KvCache : IDisposable
{
    // One per layer; layers that share another's have that one.
    private readonly LayerMemory[] _layers;

    // Each once.
    private readonly LayerMemory[] _own;
    private readonly CacheScratch _scratch = new();
    private readonly PagePool _pool;

    private const double GoldenRatio = 0.6180339887498949;

    private static long s_made;

    // Recursive, so that those who read may call what locks by itself.
    private readonly ReaderWriterLockSlim _lock = new(LockRecursionPolicy.SupportsRecursion);
    private readonly bool _codesAhead = true;
    private bool _disposed;
    private bool _recoded;
    private long _changes;

    /// <summary>An empty cache, which takes no memory of its pool yet.</summary>
    /// <param name="options">Shape, codecs, sinks, window, eviction and memory.</param>
    /// <exception cref="ArgumentException">The policy has another number of layers than the geometry, a codec does not take the dimension,
    /// query heads do not divide into groups, or the eviction keeps nothing beside the sinks.</exception>
    public KvCache(KvCacheOptions options)
        : this(options, LayerLayouts.Create(options))
    {
    }

    /// <summary>As above, with layouts that the options made before, maybe with steps that calls make (<see cref="LayerLayout.Origin"/>).</summary>
    internal KvCache(KvCacheOptions options, LayerLayout[] layouts)
    {
        PagePool pool = options.Pool ?? new PagePool();
        // A list of the caller's may change later; what the layers are made of may not.
        (Options, _pool) = (options with { Policy = options.Policy as LayerPolicy ?? new LayerPolicy(options.Policy) }, pool);
        (_layers, _own) = Memories(options.Geometry, layer => new LayerMemory(layouts[layer], pool, TurnOf(layer)));
        _recoded = Array.Exists(_own, layer => layer.Layout.Origin is not null);
        _mayBeSqueezed = options.IsLimited && options.MemoryLimit is null && FullSteps > 0;
        FollowPool();
    }

    // Under the read lock of the source.
    private KvCache(KvCache source, bool codesAhead)
    {
        (Options, _pool, _codesAhead, _recoded, _mayBeSqueezed) = (source.Options, source._pool, codesAhead, source._recoded, source._mayBeSqueezed);
        (_layers, _own) = Memories(source.Geometry, layer => source._layers[layer].Share(TurnOf(layer)));
        FollowPool();
        Touch();
    }

    /// <summary>How the cache stores its sequence.</summary>
    public KvCacheOptions Options { get; }

    /// <summary>As <see cref="Options"/>, with the codecs of rows that <see cref="Recode"/> coded again, for those who hold the lock.</summary>
    internal KvCacheOptions StoredOptions => _recoded || Options.Floor is not null
        ? Options with { Floor = null, Policy = new LayerPolicy(Options.Policy.Select((specs, layer) => Geometry[layer].SharedLayer is null ? _layers[layer].Layout.Specs with { Eviction = specs.Eviction } : specs)) }
        : Options;

    /// <summary>What the layers hold, for those who read or write it as bytes.</summary>
    internal LayerMemory[] Layers => _layers;

    /// <summary>Which cache of this process it is: whoever locks several does so in this order.</summary>
    internal long Number { get; } = Interlocked.Increment(ref s_made);

    /// <summary>Buffers of whoever may write.</summary>
    internal CacheScratch Scratch => _scratch;

    /// <summary>The shape of the model's cache.</summary>
    public CacheGeometry Geometry => Options.Geometry;

    // Where its memory comes from.
    internal PagePool Pool => _pool;

    /// <summary>Tokens that every layer has, evicted ones counted: the position of the next token.</summary>
    public int Length
    {
        get
        {
            EnterRead();
            try
            {
                int least = int.MaxValue;
                foreach (LayerMemory layer in _own)
                    least = Math.Min(least, layer.Extent.Length);
                return least;
            }
            finally
            {
                ExitRead();
            }
        }
    }

    /// <summary>Grows whenever tokens come or go at the end: with each layer that is appended to or cut, and with <see cref="Clear"/>. Who keeps something that
    /// belongs to the last token, such as its logits, sees that way whether it is still that one; a length alone does not say so.</summary>
    public long Changes
    {
        get
        {
            EnterRead();
            long changes = _changes;
            ExitRead();
            return changes;
        }
    }

    /// <summary>What the cache's memory is spent on.</summary>
    public CacheStatistics Statistics
    {
        get
        {
            EnterRead();
            try
            {
                return CacheStatistics.Sum(_own.Select(layer => layer.Statistics()));
            }
            finally
            {
                ExitRead();
            }
        }
    }

    /// <summary>Writers that wait for readers; whoever begins to read waits for them.</summary>
    internal int WaitingWrites => _lock.WaitingWriteCount;

    /// <summary>Tokens that one layer has; within a step the first layers are ahead.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    public int LayerLength(int layer) => ExtentOf(layer).Length;

    /// <summary>The first token beside the sinks that is not evicted: sinks are 0 to <see cref="KvCacheOptions.Sinks"/> - 1,
    /// living tokens this to <see cref="LayerLength"/> - 1.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    public int FirstLive(int layer) => ExtentOf(layer).FirstLive;

    /// <summary>Tokens that attention sees: sinks and those that are not evicted.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    public int LiveTokens(int layer)
    {
        LayerExtent extent = ExtentOf(layer);
        return LiveSinks(extent) + Math.Max(0, extent.Length - extent.FirstLive);
    }

    /// <summary>The positions of the tokens that attention sees, ascending.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    /// <param name="positions">Receives them: <see cref="LiveTokens"/> numbers.</param>
    /// <exception cref="ArgumentException">The length is wrong.</exception>
    public void CopyPositions(int layer, Span<int> positions)
    {
        LayerExtent extent = ExtentOf(layer);
        int sinks = LiveSinks(extent), rest = Math.Max(0, extent.Length - extent.FirstLive);
        RequireLength(positions.Length, (long)sinks + rest, nameof(positions));
        for (int i = 0; i < positions.Length; i++)
            positions[i] = i < sinks ? i : extent.FirstLive + i - sinks;
    }

    /// <summary>What the memory of one layer is spent on.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    public CacheStatistics LayerStatistics(int layer)
    {
        RequireLayer(layer);
        EnterRead();
        try
        {
            return _layers[layer].Statistics();
        }
        finally
        {
            ExitRead();
        }
    }

    /// <summary>Whether more tokens would make the eviction rule forget some.</summary>
    /// <param name="incoming">Tokens to come, at least 0.</param>
    public bool ShouldTrim(int incoming)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(incoming);
        EnterRead();
        try
        {
            return Array.Exists(_own, layer => layer.Layout.WouldEvict(layer.Extent, incoming));
        }
        finally
        {
            ExitRead();
        }
    }

    /// <summary>Gives back what is free: of a pool of the cache's own all pages that it does not hold, and the buffers that its largest calls needed.
    /// <see cref="Clear"/>, <see cref="Truncate"/> and <see cref="Evict"/> give back pages by themselves; a pool that the options named keeps them
    /// for others until <see cref="PagePool.Trim"/>.</summary>
    public void Trim()
    {
        EnterWrite();
        try
        {
            RequireAlive();
            _scratch.Trim();
            foreach (LayerMemory layer in _own)
                layer.Trim();
            TrimOwnPool();
        }
        finally
        {
            ExitWrite();
        }
    }

    /// <summary>A cache that was forgotten returns its memory too, once the collector finds it; a fork that shares some of it keeps that.</summary>
    ~KvCache()
    {
        // Nobody calls any more, and what it points to is still whole: memory itself is finalized last.
        if (_own is not null)
            ReturnAll();
    }

    /// <summary>Returns all memory. Twice is fine.</summary>
    /// <exception cref="InvalidOperationException">This thread reads the cache.</exception>
    public void Dispose()
    {
        EnterWrite();
        try
        {
            if (_disposed)
                return;
            ReturnReserved();
            ReturnAll();
            if (_mayBeSqueezed)
                _pool.Forget(this);
            _disposed = true;
            GC.SuppressFinalize(this);
        }
        finally
        {
            _lock.ExitWriteLock();
        }
    }

    // Attention reads between these two: many readers or one writer. Neither allocates.
    internal void EnterRead()
    {
        _lock.EnterReadLock();
        if (!_disposed)
            return;
        _lock.ExitReadLock();
        throw new ObjectDisposedException(nameof(KvCache));
    }

    internal void ExitRead() => _lock.ExitReadLock();

    // When a layer encodes what waits: caches and their layers at moments that lie apart, however many there are, since multiples of the golden ratio less their whole
    // parts do.
    private double TurnOf(int layer) => ((Number * GoldenRatio) + ((double)layer / Geometry.Layers)) % 1;

    private static void RequireLength(int found, long wanted, string name)
    {
        if (found != wanted)
            throw new ArgumentException($"The length is {found}; it must be {wanted}.", name);
    }

    private void RequireLayer(int layer)
    {
        if ((uint)layer >= (uint)_layers.Length)
            throw new ArgumentOutOfRangeException(nameof(layer), layer, $"There are layers 0 to {_layers.Length - 1}.");
    }

    internal static void RequireHead(LayerGeometry shape, int head)
    {
        if ((uint)head >= (uint)shape.KvHeads)
            throw new ArgumentOutOfRangeException(nameof(head), head, $"There are key-value heads 0 to {shape.KvHeads - 1}.");
    }

    private static (LayerMemory[] All, LayerMemory[] Own) Memories(CacheGeometry geometry, Func<int, LayerMemory> create)
    {
        var all = new LayerMemory[geometry.Layers];
        for (int layer = 0; layer < all.Length; layer++)
            all[layer] = geometry[layer].SharedLayer is { } source ? all[source] : create(layer);
        return (all, [.. all.Distinct()]);
    }

    private LayerExtent ExtentOf(int layer)
    {
        RequireLayer(layer);
        EnterRead();
        LayerExtent extent = _layers[layer].Extent;
        ExitRead();
        return extent;
    }

    private int LiveSinks(LayerExtent extent) => Math.Min(Options.Sinks, extent.Length);
}
