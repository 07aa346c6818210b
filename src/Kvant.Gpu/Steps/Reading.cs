using Kvant.Attention;
using Kvant.Caching;

namespace Kvant.Gpu.Steps;

/// <summary>Caches that are locked for reading.</summary>
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
        int[] order = [];
        ReadLocks.Enter(caches, ref order);
        _caches = caches;
    }

    /// <summary>Lets them go.</summary>
    public void Dispose()
    {
        foreach (KvCache cache in _caches)
            cache.ExitRead();
    }
}
