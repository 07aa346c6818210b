namespace Kvant.Caching;

// What reads the cache without changing it.
public sealed partial class KvCache
{
    /// <summary>Turns tokens of one head back into numbers.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    /// <param name="head">0 to key-value heads - 1.</param>
    /// <param name="first">The position of the first token.</param>
    /// <param name="count">Tokens; all of them must live.</param>
    /// <param name="keys">Receives [token, number].</param>
    /// <param name="values">Receives [token, number].</param>
    /// <exception cref="ArgumentOutOfRangeException">A token is not there: evicted, or not appended yet.</exception>
    /// <exception cref="ArgumentException">A length is wrong.</exception>
    public void Decode(int layer, int head, int first, int count, Span<float> keys, Span<float> values)
    {
        RequireLayer(layer);
        RequireHead(head);
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        RequireLength(keys.Length, (long)count * Geometry.KeyDimension, nameof(keys));
        RequireLength(values.Length, (long)count * Geometry.ValueDimension, nameof(values));
        EnterRead();
        try
        {
            LayerMemory memory = _layers[layer];
            RequireLiving(memory.Extent, first, count);
            LayerReading.Decode(memory, 0, head, first, count, keys);
            LayerReading.Decode(memory, 1, head, first, count, values);
        }
        finally
        {
            ExitRead();
        }
    }

    /// <summary>How many runs hold the living tokens of each head of a layer.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    public int RunCount(int layer)
    {
        RequireLayer(layer);
        ObjectDisposedException.ThrowIf(_disposed, this);
        return LayerReading.RunCount(_layers[layer]);
    }

    /// <summary>The compressed bytes of neighboring tokens of a head, for code that attends to them in place: first the body, page by page,
    /// then the sinks, then the window in one or two parts. Together the runs hold every living token once.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    /// <param name="head">0 to key-value heads - 1.</param>
    /// <param name="index">0 to <see cref="RunCount"/> - 1.</param>
    /// <returns>Views that are valid until the next write to the cache, or its end.</returns>
    public CacheRun Run(int layer, int head, int index)
    {
        RequireHead(head);
        int count = RunCount(layer);
        if ((uint)index >= (uint)count)
            throw new ArgumentOutOfRangeException(nameof(index), index, $"There are {count} runs, counted from 0.");
        return LayerReading.Run(_layers[layer], head, index);
    }

    private void RequireLiving(LayerExtent extent, int first, int count)
    {
        long end = (long)first + count;
        int sinks = LiveSinks(extent);
        if (end > extent.Length)
            throw new ArgumentOutOfRangeException(nameof(first), first, $"{count} tokens from here end at {end}; the layer has {extent.Length}.");
        if (end > sinks && extent.FirstLive > Math.Max(first, sinks))
        {
            throw new ArgumentOutOfRangeException(
                nameof(first), first, $"Tokens {sinks} to {extent.FirstLive - 1} are evicted, and {count} tokens from here are asked for.");
        }
    }
}
