using System.Diagnostics.CodeAnalysis;
using Kvant.Memory;

namespace Kvant.Caching;

/// <summary>
/// The memory of caches, in pages outside the managed heap: a limit for all caches that share it, and reuse of what they return.
/// Any number of threads may use it.
/// </summary>
/// <remarks>
/// <para>Pages lie side by side in the system's memory, so what they take is what is counted, but for the rest of a system's page at the ends; what
/// <see cref="Trim"/> gives back leaves the process.</para>
/// <para>Disposing gives what is free back to the system; pages that caches still hold follow as they return them. Caches that are forgotten instead of
/// disposed return theirs when the collector finds them.</para>
/// <para>Where the limit leaves no room, caches whose options say how (<see cref="KvCacheOptions.Floor"/>) have their oldest tokens coded again before a call is refused: see <see cref="MakeRoom"/>.</para>
/// </remarks>
public sealed partial class PagePool : IDisposable
{
    private readonly Lock _lock = new();
    private readonly NativeArena _arena = new();
    private readonly Dictionary<long, Stack<NativePage>> _free = [];
    private long _allocated;
    private long _freeBytes;
    private bool _disposed;

    /// <summary>An empty pool.</summary>
    /// <param name="memoryLimit">The most bytes that it allocates, at least 0; without a limit unless said.</param>
    public PagePool(long memoryLimit = long.MaxValue)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(memoryLimit);
        MemoryLimit = memoryLimit;
    }

    /// <summary>The most bytes that it allocates.</summary>
    public long MemoryLimit { get; }

    /// <summary>Bytes that it holds of the system: <see cref="UsedBytes"/> and <see cref="FreeBytes"/>.</summary>
    public long AllocatedBytes
    {
        get { lock (_lock) return _allocated; }
    }

    /// <summary>Bytes that caches returned and the next may have.</summary>
    public long FreeBytes
    {
        get { lock (_lock) return _freeBytes; }
    }

    /// <summary>Bytes that caches hold; shared pages count once, and those that lie on a device alone (<see cref="CacheStatistics.AwayBytes"/>) not at all.</summary>
    public long UsedBytes
    {
        get { lock (_lock) return _allocated - _freeBytes; }
    }

    /// <summary>Gives what is free back to the system.</summary>
    public void Trim()
    {
        lock (_lock) FreeAll();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            FreeAll();
        }
    }

    /// <summary>A page that nobody else holds; none where the limit leaves no room for it.</summary>
    /// <param name="bytes">Its length.</param>
    /// <param name="page">Receives it.</param>
    /// <param name="ofSpare">Whether it is for tokens that are coded again, so that others go.</param>
    /// <exception cref="ObjectDisposedException">The pool is disposed.</exception>
    internal bool TryRent(long bytes, [NotNullWhen(true)] out NativePage? page, bool ofSpare = false)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return TryTake(bytes, out page, ofSpare);
        }
    }

    /// <summary>What to throw where the limit leaves no room.</summary>
    /// <param name="needed">Bytes that the whole call needs.</param>
    internal CacheFullException Full(long needed)
    {
        lock (_lock) return new(needed, _allocated - _freeBytes, MemoryLimit);
    }

    /// <summary>One less holds a page; the last returns it.</summary>
    internal void Return(NativePage page)
    {
        if (!page.RemoveUser() || page.TryForget())
            return;
        lock (_lock) Keep(page);
    }

    private bool TryTake(long bytes, [NotNullWhen(true)] out NativePage? page, bool ofSpare)
    {
        page = null;
        if (bytes > MemoryLimit - (_allocated - _freeBytes) - (ofSpare ? 0 : _spare))
            return false;
        if (_free.TryGetValue(bytes, out Stack<NativePage>? pages) && pages.TryPop(out page))
        {
            _freeBytes -= bytes;
            page.AddUser();
            return true;
        }

        // Free pages of other lengths make room before the limit refuses.
        if (bytes > MemoryLimit - _allocated)
            FreeAll();
        page = _arena.Take(bytes);
        _allocated += page.Bytes;
        return true;
    }

    // One that nobody holds.
    private void Keep(NativePage page)
    {
        if (_disposed)
        {
            _allocated -= page.Bytes;
            page.Free();
            return;
        }

        if (!_free.TryGetValue(page.Bytes, out Stack<NativePage>? pages))
            _free.Add(page.Bytes, pages = new());
        pages.Push(page);
        _freeBytes += page.Bytes;
    }

    private void FreeAll()
    {
        foreach (Stack<NativePage> pages in _free.Values)
        {
            while (pages.TryPop(out NativePage? page))
            {
                _allocated -= page.Bytes;
                _freeBytes -= page.Bytes;
                page.Free();
            }
        }
    }
}
