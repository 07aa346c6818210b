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
        LayerGeometry shape = Geometry[layer];
        RequireHead(shape, head);
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        RequireLength(keys.Length, (long)count * shape.KeyDimension, nameof(keys));
        RequireLength(values.Length, (long)count * shape.ValueDimension, nameof(values));
        EnterRead();
        try
        {
            // Not before: whoever coded it again meanwhile made another memory of it.
            LayerMemory memory = _layers[layer];
            RequireLiving(memory.Extent, first, count);
            LayerReading.Decode(memory, 0, head, first, count, keys);
            if (!shape.ValuesInKeys)
                LayerReading.Decode(memory, 1, head, first, count, values);
            for (int token = 0; token < count && shape.ValuesInKeys; token++)
                keys.Slice(token * shape.KeyDimension, shape.ValueDimension).CopyTo(values[(token * shape.ValueDimension)..]);
        }
        finally
        {
            ExitRead();
        }
    }

    /// <summary>Lets code look at the compressed bytes themselves, with their codecs, for attention of its own. What writes to the cache waits
    /// until the code returns, so the bytes stay as they are as long as it can see them.</summary>
    /// <typeparam name="TState">What the code gets beside the bytes; a ref struct may hold spans of the caller's.</typeparam>
    /// <param name="state">Handed to the code, so that it needs no closure: a step allocates nothing then.</param>
    /// <param name="reading">The code. It may read the cache in every way. It must not write to it, and must not wait for another thread that
    /// reads or writes it: that one may be waiting for this reading to end.</param>
    /// <exception cref="ObjectDisposedException">The cache is disposed.</exception>
    public void Read<TState>(TState state, CacheReading<TState> reading)
        where TState : allows ref struct
    {
        ArgumentNullException.ThrowIfNull(reading);
        EnterRead();
        try
        {
            reading(new CacheReader(this), state);
        }
        finally
        {
            ExitRead();
        }
    }

    /// <inheritdoc cref="Read{TState}(TState, CacheReading{TState})"/>
    /// <typeparam name="TState">What the code gets beside the bytes.</typeparam>
    /// <typeparam name="TResult">What the code returns; never bytes of the cache.</typeparam>
    public TResult Read<TState, TResult>(TState state, CacheReading<TState, TResult> reading)
        where TState : allows ref struct
    {
        ArgumentNullException.ThrowIfNull(reading);
        EnterRead();
        try
        {
            return reading(new CacheReader(this), state);
        }
        finally
        {
            ExitRead();
        }
    }

    /// <summary>The memory of a layer, for those who hold the lock.</summary>
    internal LayerMemory LayerAt(int layer)
    {
        RequireLayer(layer);
        return _layers[layer];
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
