namespace Kvant.Caching;

/// <summary>
/// The compressed bytes of a cache, while it is locked for reading. Exists within <see cref="KvCache.Read{TState}(TState, CacheReading{TState})"/>
/// alone: neither it nor a run of it can leave the code that is given to it.
/// </summary>
public readonly ref struct CacheReader
{
    private readonly KvCache? _cache;

    internal CacheReader(KvCache cache) => _cache = cache;

    private KvCache Cache => _cache ?? throw new InvalidOperationException("This reader reads no cache; KvCache.Read makes those that do.");

    /// <summary>How many runs hold the living tokens of each head of a layer.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    public int RunCount(int layer) => LayerReading.RunCount(Cache.LayerAt(layer));

    /// <summary>The compressed bytes of neighboring tokens of a head, for code that attends to them in place: first the body, page by page,
    /// then the sinks, then the window in one or two parts. Together the runs hold every living token once.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    /// <param name="head">0 to key-value heads - 1.</param>
    /// <param name="index">0 to <see cref="RunCount"/> - 1.</param>
    public CacheRun Run(int layer, int head, int index)
    {
        LayerMemory memory = Cache.LayerAt(layer);
        KvCache.RequireHead(memory.Layout.Shape, head);
        int count = LayerReading.RunCount(memory);
        if ((uint)index >= (uint)count)
            throw new ArgumentOutOfRangeException(nameof(index), index, $"There are {count} runs, counted from 0.");
        return LayerReading.Run(memory, head, index);
    }
}
