namespace Kvant.Caching;

// What a device does that has pages of the cache for itself.
public sealed partial class KvCache
{
    private object? _owner;

    /// <summary>Makes somebody the one who takes pages elsewhere, unless somebody is.</summary>
    internal bool TryOwn(object owner) => Interlocked.CompareExchange(ref _owner, owner, null) is null;

    /// <summary>Ends that.</summary>
    internal void Disown(object owner) => Interlocked.CompareExchange(ref _owner, null, owner);

    /// <summary>Lets pages leave while nobody looks at them. Does nothing on a thread that reads or writes the cache, which may look, or where the cache is disposed.</summary>
    /// <param name="leave">What makes them leave.</param>
    internal void LetLeave(Action leave)
    {
        if (_lock.IsReadLockHeld || _lock.IsWriteLockHeld)
            return;
        EnterWrite();
        try
        {
            if (_disposed)
                return;
            leave();
            TrimOwnPool();
        }
        finally
        {
            ExitWrite();
        }
    }

    /// <summary>Brings pages home as long as there is room and their bytes can be had. Those that stay away come when they are wanted, or say then why not.</summary>
    internal void ComeHome()
    {
        _lock.EnterReadLock();
        try
        {
            // One that cannot be read is one of many: the others are not asked.
            _ = _disposed || Array.TrueForAll(_own, layer => layer.TryComeHome());
        }
        catch (InvalidOperationException)
        {
            // Whoever reads them hears of it.
        }
        finally
        {
            _lock.ExitReadLock();
        }
    }
}
