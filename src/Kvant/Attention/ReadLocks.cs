using Kvant.Caching;

namespace Kvant.Attention;

/// <summary>Locks some caches for reading: one after the other, in the same order for everybody, since two that wait for each other's would wait forever.</summary>
internal static class ReadLocks
{
    /// <summary>Locks them; the caller lets each go.</summary>
    /// <param name="caches">The caches; one may stand there twice.</param>
    /// <param name="order">Room, which grows where it has to.</param>
    /// <exception cref="ObjectDisposedException">One is disposed; none is locked then.</exception>
    public static void Enter(ReadOnlySpan<KvCache> caches, ref int[] order)
    {
        if (order.Length < caches.Length)
            order = new int[caches.Length];
        for (int i = 0; i < caches.Length; i++)
        {
            int at = i;
            for (; at > 0 && caches[order[at - 1]].Number > caches[i].Number; at--)
                order[at] = order[at - 1];
            order[at] = i;
        }

        int entered = 0;
        try
        {
            for (; entered < caches.Length; entered++)
                caches[order[entered]].EnterRead();
        }
        catch
        {
            while (--entered >= 0)
                caches[order[entered]].ExitRead();
            throw;
        }
    }
}
