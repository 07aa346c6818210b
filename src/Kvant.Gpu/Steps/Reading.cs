using Kvant.Caching;

namespace Kvant.Gpu.Steps;

/// <summary>Caches that are locked for reading, in the same order for everybody: two that wait for each other's would wait forever.</summary>
internal readonly ref struct Reading
{
    private readonly KvCache[] _caches;

    /// <summary>Locks them.</summary>
    /// <exception cref="ObjectDisposedException">One is disposed; none is locked then.</exception>
    public Reading(ReadOnlySpan<GpuKvCache> copies)
    {
        var caches = new KvCache[copies.Length];
        for (int i = 0; i < caches.Length; i++)
            caches[i] = copies[i].Cache;
        Array.Sort(caches, (a, b) => a.Number.CompareTo(b.Number));
        int entered = 0;
        try
        {
            for (; entered < caches.Length; entered++)
                caches[entered].EnterRead();
        }
        catch
        {
            while (--entered >= 0)
                caches[entered].ExitRead();
            throw;
        }

        _caches = caches;
    }

    /// <summary>Lets them go.</summary>
    public void Dispose()
    {
        foreach (KvCache cache in _caches)
            cache.ExitRead();
    }
}
