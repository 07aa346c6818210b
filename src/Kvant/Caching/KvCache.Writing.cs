namespace Kvant.Caching;

// What changes the cache. Everything that can be refused is, before anything changes; a write on a thread that reads, first of all.
public sealed partial class KvCache
{
    /// <summary>Adds tokens to a layer: [token, key-value head, number], one token or many.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    /// <param name="keys">Keys, with rotary embeddings where the model has them.</param>
    /// <param name="values">As many values.</param>
    /// <exception cref="ArgumentException">A length is wrong, a number is NaN or infinite, or does not fit the window's codec or a scale of the layer's.</exception>
    /// <exception cref="CacheFullException">The pool's limit leaves no room.</exception>
    public void Append(int layer, ReadOnlySpan<float> keys, ReadOnlySpan<float> values) =>
        AppendElements<float, SingleElements>(layer, keys, values, orThrow: true);

    /// <inheritdoc cref="Append(int, ReadOnlySpan{float}, ReadOnlySpan{float})"/>
    public void Append(int layer, ReadOnlySpan<Half> keys, ReadOnlySpan<Half> values) =>
        AppendElements<Half, HalfElements>(layer, keys, values, orThrow: true);

    /// <summary>As <see cref="Append(int, ReadOnlySpan{float}, ReadOnlySpan{float})"/> for bfloat16 numbers, each the upper half of a 32-bit float.</summary>
    /// <inheritdoc cref="Append(int, ReadOnlySpan{float}, ReadOnlySpan{float})"/>
    public void AppendBFloat16(int layer, ReadOnlySpan<ushort> keys, ReadOnlySpan<ushort> values) =>
        AppendElements<ushort, BFloat16Elements>(layer, keys, values, orThrow: true);

    /// <summary>As <see cref="Append(int, ReadOnlySpan{float}, ReadOnlySpan{float})"/>, but a full pool is an answer. All else that is wrong throws as there.</summary>
    /// <param name="layer">0 to layers - 1.</param>
    /// <param name="keys">As there.</param>
    /// <param name="values">As there.</param>
    /// <returns>Whether there was room for the tokens (<see cref="BytesToAppend(int, int)"/>); if not, the cache is as it was.</returns>
    /// <exception cref="ArgumentException">As there.</exception>
    public bool TryAppend(int layer, ReadOnlySpan<float> keys, ReadOnlySpan<float> values) =>
        AppendElements<float, SingleElements>(layer, keys, values, orThrow: false);

    /// <inheritdoc cref="TryAppend(int, ReadOnlySpan{float}, ReadOnlySpan{float})"/>
    public bool TryAppend(int layer, ReadOnlySpan<Half> keys, ReadOnlySpan<Half> values) =>
        AppendElements<Half, HalfElements>(layer, keys, values, orThrow: false);

    /// <summary>As <see cref="TryAppend(int, ReadOnlySpan{float}, ReadOnlySpan{float})"/> for bfloat16 numbers, each the upper half of a 32-bit float.</summary>
    /// <inheritdoc cref="TryAppend(int, ReadOnlySpan{float}, ReadOnlySpan{float})"/>
    public bool TryAppendBFloat16(int layer, ReadOnlySpan<ushort> keys, ReadOnlySpan<ushort> values) =>
        AppendElements<ushort, BFloat16Elements>(layer, keys, values, orThrow: false);

    /// <summary>Bytes that the pool must give so that every layer can take more tokens: new pages, and copies of those that other caches share.
    /// There is room if they are at most <see cref="PagePool.MemoryLimit"/> less <see cref="PagePool.UsedBytes"/>, and only then.</summary>
    /// <param name="tokens">Tokens to come in one call per layer, at least 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are fewer than 0 tokens, or more than there are positions.</exception>
    public long BytesToAppend(int tokens)
    {
        EnterRead();
        try
        {
            long bytes = 0;
            for (int layer = 0; layer < _layers.Length; layer++)
                bytes += BytesToAppend(layer, tokens);
            return bytes;
        }
        finally
        {
            ExitRead();
        }
    }

    /// <summary>As <see cref="BytesToAppend(int)"/> for one layer: <see cref="TryAppend(int, ReadOnlySpan{float}, ReadOnlySpan{float})"/> takes the
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
            LayerMemory memory = _layers[layer];
            ArgumentOutOfRangeException.ThrowIfGreaterThan(tokens, int.MaxValue - memory.Extent.Length);
            return tokens == 0 ? 0 : memory.BytesToReserve(memory.Layout.AfterAppend(memory.Extent, tokens), writesFront: true);
        }
        finally
        {
            ExitRead();
        }
    }

    /// <summary>Cuts every layer that is longer to a length, as after speculative tokens that were refused.</summary>
    /// <remarks>
    /// Within the window nothing else changes. Of a compressed block that is cut, the rows that stay are decoded back into the window and
    /// keep their codes when it is compressed again, where its codec allows that; blocks before it keep their bytes.
    /// <see cref="KvCacheOptions.DraftTokens"/> keeps cuts out of compressed blocks, <see cref="CacheStatistics.ExactRows"/> tells. A cut below the first living token leaves the sinks alone: what was evicted does not come back.
    /// </remarks>
    /// <param name="length">Tokens that stay, at least 0.</param>
    /// <exception cref="CacheFullException">Shared pages must be copied first, and the pool's limit leaves no room.</exception>
    public void Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        EnterWrite();
        try
        {
            RequireAlive();
            long bytes = 0;
            foreach (LayerMemory layer in _layers)
            {
                LayerExtent after = layer.Layout.AfterTruncate(layer.Extent, length);
                layer.Reserve(after, LayerTruncation.WritesFront(layer.Layout, layer.Extent, after), _scratch.Reserved);
                bytes += LayerTruncation.StagedBytes(layer.Layout, layer.Extent, after);
            }

            // All layers are cut or none: rows are decoded before the first window is written to.
            Span<byte> all = _scratch.Staged(checked((int)bytes)), staged = all;
            foreach (LayerMemory layer in _layers)
            {
                LayerExtent after = layer.Layout.AfterTruncate(layer.Extent, length);
                LayerTruncation.Stage(layer, after, _scratch, Taken(ref staged, layer, after));
            }

            _scratch.InstallReserved();
            staged = all;
            foreach (LayerMemory layer in _layers)
            {
                LayerExtent after = layer.Layout.AfterTruncate(layer.Extent, length);
                _changes += after == layer.Extent ? 0 : 1;
                LayerTruncation.Run(layer, after, Taken(ref staged, layer, after));
            }

            TrimOwnPool();
        }
        finally
        {
            ExitWrite();
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
            foreach (LayerMemory layer in _layers)
                layer.Become(layer.Extent with { FirstLive = Math.Max(layer.Extent.FirstLive, firstLive) });
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
    public KvCache Fork()
    {
        EnterRead();
        try
        {
            return new KvCache(this);
        }
        finally
        {
            ExitRead();
        }
    }

    private bool AppendElements<T, TElements>(int layer, ReadOnlySpan<T> keys, ReadOnlySpan<T> values, bool orThrow)
        where T : unmanaged
        where TElements : IElements<T>
    {
        RequireLayer(layer);
        EnterWrite();
        try
        {
            RequireAlive();
            LayerMemory memory = _layers[layer];
            if (keys.IsEmpty && values.IsEmpty)
                return true;
            LayerExtent after = Admit<T, TElements>(memory, keys, values);
            if (orThrow)
                memory.Reserve(after, writesFront: true, _scratch.Reserved);
            else if (!memory.TryReserve(after, writesFront: true, _scratch.Reserved))
                return false;
            _scratch.InstallReserved();
            try
            {
                new LayerAppend<T, TElements>(memory, after, keys, values, _scratch).Run();
            }
            catch
            {
                memory.Abandon(after);
                throw;
            }

            memory.Become(after);
            _changes++;
            return true;
        }
        finally
        {
            ExitWrite();
        }
    }

    /// <summary>Refuses what <see cref="Append(int, ReadOnlySpan{float}, ReadOnlySpan{float})"/> would refuse, for those who do something else first.</summary>
    /// <inheritdoc cref="Append(int, ReadOnlySpan{float}, ReadOnlySpan{float})"/>
    internal void RequireAppend(int layer, ReadOnlySpan<float> keys, ReadOnlySpan<float> values)
    {
        RequireLayer(layer);
        EnterWrite();
        try
        {
            RequireAlive();
            if (keys.IsEmpty && values.IsEmpty)
                return;
            LayerMemory memory = _layers[layer];
            long bytes = memory.BytesToReserve(Admit<float, SingleElements>(memory, keys, values), writesFront: true);
            if (bytes > _pool.MemoryLimit - _pool.UsedBytes)
                throw _pool.Full(bytes);
        }
        finally
        {
            ExitWrite();
        }
    }

    // What a layer becomes with more tokens, at least one, if none of them is refused.
    private LayerExtent Admit<T, TElements>(LayerMemory memory, ReadOnlySpan<T> keys, ReadOnlySpan<T> values)
        where T : unmanaged
        where TElements : IElements<T>
    {
        LayerLayout layout = memory.Layout;
        int count = CountTokens(layout, keys.Length, values.Length);
        if (count > int.MaxValue - memory.Extent.Length)
            throw new ArgumentException($"{count} more tokens than {memory.Extent.Length} are too many; positions end at {int.MaxValue}.", nameof(keys));
        Door.Check<T, TElements>(layout, 0, keys, _scratch, nameof(keys));
        Door.Check<T, TElements>(layout, 1, values, _scratch, nameof(values));
        return layout.AfterAppend(memory.Extent, count);
    }

    // The part of a layer of what all layers stage.
    private static Span<byte> Taken(ref Span<byte> staged, LayerMemory layer, LayerExtent after)
    {
        int bytes = (int)LayerTruncation.StagedBytes(layer.Layout, layer.Extent, after);
        Span<byte> taken = staged[..bytes];
        staged = staged[bytes..];
        return taken;
    }

    private static int CountTokens(LayerLayout layout, int keys, int values)
    {
        int keyLength = layout.Heads * layout.Sides[0].Dimension, valueLength = layout.Heads * layout.Sides[1].Dimension;
        if (keys % keyLength != 0)
            throw new ArgumentException($"The length is {keys}; it must be a multiple of {keyLength}, the keys of a token.", nameof(keys));
        RequireLength(values, (long)keys / keyLength * valueLength, nameof(values));
        return keys / keyLength;
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
        foreach (LayerMemory layer in _layers)
            layer.Become(layer.Layout.Empty);
        TrimOwnPool();
    }

    // What a pool of one's own keeps is of use to nobody else.
    private void TrimOwnPool()
    {
        if (Options.Pool is null)
            _pool.Trim();
    }
}
