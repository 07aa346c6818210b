namespace Kvant.Caching;

// What changes the cache. Everything that can be refused is, before anything changes; a write on a thread that reads, first of all.
public sealed partial class KvCache
{
    /// <summary>Adds tokens to a layer: [token, key-value head, number], one token or many; floats, halves or bfloat16 (<see cref="TokenRows"/>).</summary>
    /// <param name="layer">0 to layers - 1, none that shares another's keys.</param>
    /// <param name="keys">Keys, with rotary embeddings where the model has them.</param>
    /// <param name="values">As many values; empty where values are part of keys (<see cref="LayerGeometry.ValuesInKeys"/>).</param>
    /// <exception cref="ArgumentException">A length is wrong, a number is NaN or infinite, or does not fit the window's codec or a scale of the layer's.</exception>
    /// <exception cref="CacheFullException">The pool's limit, or the cache's own with all tokens at its floor, leaves no room.</exception>
    public void Append(int layer, TokenRows keys, TokenRows values) => Append(layer, keys, values, orThrow: true, crew: null, encoder: null);

    /// <summary>As <see cref="Append(int, TokenRows, TokenRows)"/>, but a full pool is an answer. All else that is wrong throws as there.</summary>
    /// <param name="layer">As there.</param>
    /// <param name="keys">As there.</param>
    /// <param name="values">As there.</param>
    /// <returns>Whether there was room for the tokens (<see cref="BytesToAppend(int, int)"/>); if not, the cache is as it was.</returns>
    /// <exception cref="ArgumentException">As there.</exception>
    public bool TryAppend(int layer, TokenRows keys, TokenRows values) => Append(layer, keys, values, orThrow: false, crew: null, encoder: null);

    /// <summary>Bytes that the pool must give so that every layer can take more tokens: new pages, copies of those that other caches share, and room for those that must come back from a device.
    /// There is room if they are at most <see cref="PagePool.RoomBytes"/> or <see cref="PagePool.MakeRoom"/> can make it, and only then; but for <see cref="KvCacheOptions.MemoryLimit"/>, which each layer has a share of.</summary>
    /// <param name="tokens">Tokens to come in one call per layer, at least 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are fewer than 0 tokens, or more than there are positions.</exception>
    public long BytesToAppend(int tokens)
    {
        EnterRead();
        try
        {
            ArgumentOutOfRangeException.ThrowIfNegative(tokens);
            long bytes = 0;
            foreach (LayerMemory memory in _own)
                bytes += BytesToAppend(memory, tokens);
            return bytes;
        }
        finally
        {
            ExitRead();
        }
    }

    /// <summary>As <see cref="BytesToAppend(int)"/> for one layer: <see cref="TryAppend(int, TokenRows, TokenRows)"/> takes the
    /// tokens if the pool has so much room, and only then.</summary>
    /// <inheritdoc cref="BytesToAppend(int)"/>
    /// <param name="layer">0 to layers - 1.</param>
    /// <param name="tokens">Tokens to come in one call, at least 0.</param>
    public long BytesToAppend(int layer, int tokens)
    {
        RequireLayer(layer);
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        EnterRead();
        try
        {
            return BytesToAppend(_layers[layer], tokens);
        }
        finally
        {
            ExitRead();
        }
    }

    /// <summary>Whether the cache's own limit (<see cref="KvCacheOptions.MemoryLimit"/>) lets every layer take more tokens; always without one. What the pool must give for them is said by <see cref="BytesToAppend(int)"/>.</summary>
    /// <param name="tokens">Tokens to come in one call per layer, at least 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are fewer than 0 tokens, or more than there are positions.</exception>
    public bool FitsLimit(int tokens)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        EnterRead();
        try
        {
            foreach (LayerMemory memory in _own)
            {
                ArgumentOutOfRangeException.ThrowIfGreaterThan(tokens, int.MaxValue - memory.Extent.Length);
                if (tokens > 0 && memory.Layout.IsTooMuch(memory.Extent, memory.Layout.AfterAppend(memory.Extent, tokens)))
                    return false;
            }

            return true;
        }
        finally
        {
            ExitRead();
        }
    }

    /// <summary>Forgets the tokens between the sinks and a position, in every layer. What is forgotten already stays so.</summary>
    /// <param name="firstLive">The first token that stays, 0 to <see cref="Length"/>.</param>
    public void Evict(int firstLive)
    {
        EnterWrite();
        try
        {
            RequireAlive();
            int length = Length;
            if (firstLive < 0 || firstLive > length)
                throw new ArgumentOutOfRangeException(nameof(firstLive), firstLive, $"The first token that stays is 0 to {length}.");
            foreach (LayerMemory layer in _own)
                layer.Become(layer.Layout.AfterEvict(layer.Extent, firstLive));
            TrimOwnPool();
        }
        finally
        {
            ExitWrite();
        }
    }

    /// <summary>Forgets everything and returns all memory: to the pool that the options named, else to the system.</summary>
    public void Clear()
    {
        EnterWrite();
        try
        {
            RequireAlive();
            ReturnAll();
            _changes++;
        }
        finally
        {
            ExitWrite();
        }
    }

    /// <summary>A second cache with the same content. Both share their memory until one of them writes to it.</summary>
    public KvCache Fork() => ForkOff(codesAhead: true);

    /// <summary>As <see cref="Fork"/>.</summary>
    /// <param name="codesAhead">Whether rows of the fork are encoded while they wait; false for one that is given up before most of its blocks would leave.</param>
    internal KvCache ForkOff(bool codesAhead)
    {
        EnterRead();
        try
        {
            return new KvCache(this, codesAhead);
        }
        finally
        {
            ExitRead();
        }
    }

    /// <summary>As <see cref="Append(int, TokenRows, TokenRows)"/> on threads that the caller lends; the bytes are the same.</summary>
    /// <inheritdoc cref="Append(int, TokenRows, TokenRows)"/>
    internal void Append(int layer, TokenRows keys, TokenRows values, ICrew crew) => Append(layer, keys, values, orThrow: true, crew, encoder: null);

    /// <summary>As <see cref="Append(int, TokenRows, TokenRows)"/>, with blocks that somebody else encodes; the bytes are the same. What the encoder throws leaves the cache as it was.</summary>
    /// <inheritdoc cref="Append(int, TokenRows, TokenRows)"/>
    internal void Append(int layer, TokenRows keys, TokenRows values, IBlockEncoder encoder) => Append(layer, keys, values, orThrow: true, crew: null, encoder);

    private bool Append(int layer, TokenRows keys, TokenRows values, bool orThrow, ICrew? crew, IBlockEncoder? encoder)
    {
        RequireOwnLayer(layer);
        // Not while the cache is locked, so that its own old tokens may make room, too.
        while (!TryWrite(layer, keys, values, orThrow, crew, encoder, out long missing))
        {
            if (missing > 0 && _pool.MakeRoom(missing))
                continue;
            return orThrow ? throw _pool.Full(missing) : false;
        }

        return true;
    }

    // Bytes are missing where the pool has no room; none where the layer's own limit does not allow more.
    private bool TryWrite(int layer, TokenRows keys, TokenRows values, bool orThrow, ICrew? crew, IBlockEncoder? encoder, out long missing)
    {
        missing = 0;
        LayerMemory memory;
        LayerExtent before, after;
        EnterWrite();
        try
        {
            RequireAlive();
            (memory, before) = (_layers[layer], _layers[layer].Extent);
            if (keys.IsEmpty && values.IsEmpty)
                return true;
            after = Admit(memory, keys, values);
            if (memory.Layout.IsTooMuch(before, after))
                return orThrow ? throw Full(layer, memory.Layout.Bytes(before), memory.Layout.Bytes(after)) : false;
            if (!memory.TryReserve(after, writesFront: true, _scratch.Reserved))
            {
                missing = memory.BytesToReserve(after, writesFront: true);
                return false;
            }

            Write(memory, after, keys, values, crew, encoder);
            _changes++;
            Touch();
            for (int step = 0; _codesAhead && step < memory.Next.Length; step++)
                memory.Next[step].Code(memory, after.Length - before.Length, _scratch);
        }
        finally
        {
            ExitWrite();
        }

        Tell(layer, memory.Layout, before, after);
        return true;
    }

    private void Write(LayerMemory memory, LayerExtent after, TokenRows keys, TokenRows values, ICrew? crew, IBlockEncoder? encoder = null)
    {
        _scratch.InstallReserved();
        try
        {
            new LayerAppend(memory, after, keys, values, _scratch, crew, encoder).Run();
        }
        catch
        {
            memory.Abandon(after);
            throw;
        }

        memory.Become(after);
    }

    /// <summary>Refuses what <see cref="Append(int, TokenRows, TokenRows)"/> would refuse, for those who do something else first.</summary>
    /// <inheritdoc cref="Append(int, TokenRows, TokenRows)"/>
    internal void RequireAppend(int layer, TokenRows keys, TokenRows values)
    {
        RequireOwnLayer(layer);
        long bytes;
        EnterWrite();
        try
        {
            RequireAlive();
            if (keys.IsEmpty && values.IsEmpty)
                return;
            LayerMemory memory = _layers[layer];
            LayerExtent after = Admit(memory, keys, values);
            bytes = memory.BytesToReserve(after, writesFront: true);
            if (memory.Layout.IsTooMuch(memory.Extent, after))
                throw Full(layer, memory.Layout.Bytes(memory.Extent), memory.Layout.Bytes(after));
        }
        finally
        {
            ExitWrite();
        }

        if (!_pool.MakeRoom(bytes))
            throw _pool.Full(bytes);
    }

    private CacheFullException Full(int layer, long held, long wanted) => CacheFullException.OfLayer(layer, wanted - held, held, _layers[layer].Layout.MemoryLimit, Options.MemoryLimit ?? long.MaxValue);

    // What a layer becomes with more tokens, at least one, if none of them is refused.
    private LayerExtent Admit(LayerMemory memory, TokenRows keys, TokenRows values)
    {
        LayerLayout layout = memory.Layout;
        int count = CountTokens(layout.Shape, keys, values);
        if (count > int.MaxValue - memory.Extent.Length)
            throw new ArgumentException($"{count} more tokens than {memory.Extent.Length} are too many; positions end at {int.MaxValue}.", nameof(keys));
        Door.Check(layout, 0, keys, count, _scratch, nameof(keys));
        if (!layout.Shape.ValuesInKeys)
            Door.Check(layout, 1, values, count, _scratch, nameof(values));
        return layout.AfterAppend(memory.Extent, count);
    }

    private static int CountTokens(LayerGeometry shape, TokenRows keys, TokenRows values)
    {
        int count = keys.Count(shape.KvHeads, shape.KeyDimension, nameof(keys)), wanted = shape.ValuesInKeys ? 0 : count;
        int found = values.Count(shape.KvHeads, shape.ValueDimension, nameof(values));
        return found == wanted ? count
            : throw new ArgumentException($"There are values of {found} tokens; with keys of {count} there must be {wanted}.", nameof(values));
    }

    private static long BytesToAppend(LayerMemory memory, int tokens)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(tokens, int.MaxValue - memory.Extent.Length);
        return tokens == 0 ? 0 : memory.BytesToReserve(memory.Layout.AfterAppend(memory.Extent, tokens), writesFront: true);
    }

    private void RequireOwnLayer(int layer)
    {
        RequireLayer(layer);
        if (Geometry[layer].SharedLayer is { } source)
            throw new ArgumentException($"Layer {layer} reads the keys and values of layer {source}; append to that one.", nameof(layer));
    }

    private void EnterWrite()
    {
        if (_lock.IsReadLockHeld)
            throw new InvalidOperationException("This thread reads the cache, and what writes to it would wait for that: write when Read has returned.");
        _lock.EnterWriteLock();
    }

    private void ExitWrite()
    {
        ReturnReserved();
        _lock.ExitWriteLock();
    }

    // Pages that are still reserved belong to a call that was refused.
    private void ReturnReserved()
    {
        while (_scratch.Reserved.TryPop(out Reservation reserved))
            _pool.Return(reserved.Memory);
    }

    private void RequireAlive() => ObjectDisposedException.ThrowIf(_disposed, this);

    private void ReturnAll()
    {
        foreach (LayerMemory layer in _own)
            layer.Become(layer.Layout.Empty);
        if (_recoded)
            ForgetRecoding();
        TrimOwnPool();
    }

    // What a pool of one's own keeps is of use to nobody else.
    private void TrimOwnPool()
    {
        if (Options.Pool is null)
            _pool.Trim();
    }
}
