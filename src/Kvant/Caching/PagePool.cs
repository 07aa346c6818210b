using Kvant.Memory;

namespace Kvant.Caching;

/// <summary>
/// The memory of caches, in pages outside the managed heap: a limit for all caches that share it, and reuse of what they return.
/// Any number of threads may use it.
/// </summary>
/// <remarks>Disposing gives what is free back to the system; pages that caches still hold follow as they return them.</remarks>
public sealed class PagePool : IDisposable
{
    private readonly Lock _lock = new();
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

    /// <summary>Bytes that caches hold; shared pages count once.</summary>
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

    /// <summary>A page that nobody else holds.</summary>
    /// <param name="bytes">Its length.</param>
    /// <exception cref="CacheFullException">The limit leaves no room for it.</exception>
    /// <exception cref="ObjectDisposedException">The pool is disposed.</exception>
    internal NativePage Rent(long bytes)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_free.TryGetValue(bytes, out Stack<NativePage>? pages) && pages.TryPop(out NativePage? page))
            {
                _freeBytes -= bytes;
                page.AddUser();
                return page;
            }

            // Free pages of other lengths make room before the limit refuses.
            if (bytes > MemoryLimit - _allocated)
                FreeAll();
            if (bytes > MemoryLimit - _allocated)
                throw new CacheFullException(bytes, _allocated, MemoryLimit);
            page = new NativePage(bytes);
            _allocated += bytes;
            return page;
        }
    }

    /// <summary>One less holds a page; the last returns it.</summary>
    internal void Return(NativePage page)
    {
        if (!page.RemoveUser())
            return;
        lock (_lock)
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
