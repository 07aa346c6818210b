namespace Kvant.Caching;

// What a full pool does to its caches (PagePool.MakeRoom).
public sealed partial class KvCache
{
    private readonly bool _mayBeSqueezed; // whether tokens have somewhere to go as the pool fills
    private long _lastWrite;

    /// <summary>When tokens came last, by the pool's count; 0 where none came, or not all of a file's.</summary>
    internal long LastWrite => Volatile.Read(ref _lastWrite);

    /// <summary>How many times tokens may be coded again as the pool fills.</summary>
    internal int FullSteps => _own.Max(layer => layer.Layout.FullSteps);

    /// <summary>What the pool would gain if all that may be were coded again; 0 while others use the cache.</summary>
    /// <param name="wait">Milliseconds for which they are waited for.</param>
    /// <param name="isBusy">Becomes true where that was not enough.</param>
    internal long SqueezableBytes(int wait, ref bool isBusy)
    {
        if (IsLeftAlone)
            return 0;
        if (!_lock.TryEnterReadLock(wait))
        {
            isBusy = true;
            return 0;
        }

        try
        {
            return _disposed ? 0 : _own.Sum(layer => layer.Layout.FullSteps == 0 ? 0 : Math.Max(0, Gain(layer, layer.Layout.Squeezed(layer.Extent, layer.Layout.FullSteps - 1, int.MaxValue))));
        }
        finally
        {
            ExitRead();
        }
    }

    /// <summary>Codes a page of a layer's oldest tokens again; that of the layer that is the least far.</summary>
    /// <param name="full">0 for the first of the steps for a full cache.</param>
    /// <param name="wait">Milliseconds for which others are waited for.</param>
    /// <param name="isBusy">Becomes true where that was not enough.</param>
    /// <returns>Whether the pool has more room now: not where nothing is left, and not while others use the cache.</returns>
    internal bool TrySqueeze(int full, int wait, ref bool isBusy)
    {
        if (IsLeftAlone)
            return false;
        if (!_lock.TryEnterWriteLock(wait))
        {
            isBusy = true;
            return false;
        }

        LayerMemory? memory = null;
        LayerExtent before = default, after = default;
        int least = int.MaxValue;
        try
        {
            foreach (LayerMemory layer in _disposed ? [] : _own)
            {
                LayerExtent squeezed = layer.Layout.Squeezed(layer.Extent, full, SideLayout.PageRows);
                int done = layer.Extent.End(layer.Layout.FirstSqueeze + full);
                if (done < least && Gain(layer, squeezed) > 0)
                    (memory, before, after, least) = (layer, layer.Extent, squeezed, done);
            }

            if (memory is null)
                return false;
            if (!memory.TryReserve(after, writesFront: false, _scratch.Reserved, ofSpare: true))
            {
                // Another thread does the same just now, and has the room that is kept for it.
                isBusy = true;
                return false;
            }

            Write(memory, after, default, default, crew: null);
        }
        finally
        {
            ExitWrite();
        }

        Tell(Array.IndexOf(_layers, memory), memory.Layout, before, after);
        return true;
    }

    // A thread that is in the middle of a call on this cache keeps what it counted on.
    private bool IsLeftAlone => LastWrite == 0 || _lock.IsReadLockHeld || _lock.IsWriteLockHeld;

    // Pages that nobody else holds and that go, less those that come: from elsewhere, too, so that what lies there is left alone.
    private static long Gain(LayerMemory layer, LayerExtent after) => after == layer.Extent ? 0 : layer.BytesToReturn(after) - layer.BytesToReserve(after, writesFront: false);

    /// <summary>Counts as a write, the first as the one from which on the cache is whole.</summary>
    internal void Touch()
    {
        if (_mayBeSqueezed)
            Volatile.Write(ref _lastWrite, _pool.NextWrite());
    }

    private void FollowPool()
    {
        if (_mayBeSqueezed)
            _pool.Follow(this, _own.Max(layer => layer.Layout.FullPageBytes));
    }
}
