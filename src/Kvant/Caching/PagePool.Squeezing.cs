using System.Diagnostics;

namespace Kvant.Caching;

// What a limit does before it refuses: tokens of the pool's caches are coded again.
public sealed partial class PagePool
{
    // Before a call is refused, caches that others use are waited for: each for so many milliseconds, and all for so long.
    private const int Wait = 50;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    private readonly List<WeakReference<KvCache>> _caches = [];
    private int _cachesToSweep = 16;
    private long _spare;
    private long _writes;

    /// <summary>Bytes that caches may take before the limit refuses: what nobody holds, less one page that coding again needs where it is possible.</summary>
    public long RoomBytes
    {
        get { lock (_lock) return MemoryLimit - (_allocated - _freeBytes) - _spare; }
    }

    /// <summary>Codes old tokens of its caches again until there is room, as calls that need some do by themselves.</summary>
    /// <remarks>
    /// <para>It works on caches that name this pool, have no limit of their own, and whose options say what tokens become (<see cref="KvCacheOptions.Floor"/>, or steps of the policy for a full cache: <see cref="AgeStep.WhenFull"/>).
    /// All caches take the first step before one takes the second: values before keys, unless the policy says otherwise. The cache that nobody has written to for the longest time comes first, its oldest tokens before newer ones,
    /// 128 tokens of a layer at a time and no more than are needed. Pages that caches share, or that lie on a device alone, stay as they are, and so do caches that others read or write for two seconds.</para>
    /// <para>Which tokens that are depends on when memory runs out, unlike under a limit of the cache's own (<see cref="KvCacheOptions.MemoryLimit"/>), which follows from its tokens alone.</para>
    /// <para>Nothing is coded again where all of it would not be enough.</para>
    /// </remarks>
    /// <param name="bytes">Bytes that are wanted, at least 0.</param>
    /// <returns>Whether there is room for them now.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    public bool MakeRoom(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        if (bytes <= RoomBytes)
            return true;
        KvCache[] caches = OldestFirst();
        long begin = Stopwatch.GetTimestamp();
        bool isBusy = false;
        do
        {
            if (TryMakeRoom(bytes, caches, isBusy ? Wait : 0, out isBusy))
                return true;
        }
        while (isBusy && Stopwatch.GetElapsedTime(begin) < s_patience);
        return false;
    }

    private bool TryMakeRoom(long bytes, KvCache[] caches, int wait, out bool isBusy)
    {
        isBusy = false;
        long gain = 0;
        foreach (KvCache cache in caches)
            gain += cache.SqueezableBytes(wait, ref isBusy);
        int steps = bytes - RoomBytes > gain ? 0 : caches.Max(cache => (int?)cache.FullSteps) ?? 0;
        for (int step = 0; step < steps; step++)
        {
            foreach (KvCache cache in caches)
            {
                while (bytes > RoomBytes && cache.TrySqueeze(step, wait, ref isBusy))
                {
                }
            }
        }

        return bytes <= RoomBytes;
    }

    /// <summary>A cache whose tokens may be coded again.</summary>
    /// <param name="cache">The cache; the pool does not keep it alive.</param>
    /// <param name="pageBytes">The largest page that its tokens may go to.</param>
    internal void Follow(KvCache cache, long pageBytes)
    {
        lock (_lock)
        {
            // Those that were forgotten leave the list as it doubles.
            if (_caches.Count >= _cachesToSweep)
            {
                Sweep(gone: null);
                _cachesToSweep = Math.Max(16, 2 * _caches.Count);
            }

            _caches.Add(new(cache));
            _spare = Math.Max(_spare, pageBytes);
        }
    }

    /// <summary>One that is disposed.</summary>
    internal void Forget(KvCache cache)
    {
        lock (_lock) Sweep(cache);
    }

    /// <summary>The number of a write, later ones larger.</summary>
    internal long NextWrite() => Interlocked.Increment(ref _writes);

    private KvCache[] OldestFirst()
    {
        lock (_lock)
        {
            Sweep(gone: null);
            return [.. _caches.Select(one => one.TryGetTarget(out KvCache? cache) ? cache : null).OfType<KvCache>().OrderBy(cache => cache.LastWrite)];
        }
    }

    // Where nobody is left nothing is kept free.
    private void Sweep(KvCache? gone)
    {
        _caches.RemoveAll(one => !one.TryGetTarget(out KvCache? cache) || cache == gone);
        _spare = _caches.Count == 0 ? 0 : _spare;
    }
}
