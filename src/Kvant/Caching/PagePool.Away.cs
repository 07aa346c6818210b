using Kvant.Memory;

namespace Kvant.Caching;

// Pages whose bytes lie elsewhere: their memory is free for others until they are wanted here again.
public sealed partial class PagePool : IPageSource
{
    /// <summary>Takes the memory of a page whose bytes somebody else has.</summary>
    /// <param name="page">Held by one cache, which is locked for writing.</param>
    /// <param name="bytes">Who has them; one user more, of the caller's making.</param>
    internal void Leave(NativePage page, IAwayBytes bytes)
    {
        lock (_lock) Keep(page.Leave(bytes, this));
    }

    // Caches outlive their pool, and what they hold may come home.
    bool IPageSource.TryRent(long bytes, out NativePage page)
    {
        lock (_lock)
        {
            bool fits = TryTake(bytes, out NativePage? taken, ofSpare: false);
            page = taken!;
            return fits;
        }
    }

    void IPageSource.Return(NativePage page) => Return(page);

    Exception IPageSource.Full(long bytes) => Full(bytes);
}
