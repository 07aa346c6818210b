namespace Kvant.Chat.Scheduling;

// Whose idle sequences go where memory is short. A tenant's go for its own requests; for those of others only where the tenant has more than an equal part of the memory, or where nothing else is left and nobody runs.
internal sealed partial class Scheduler
{
    // Has old tokens coded again, where there is a floor, then makes idle sequences go, until there is room for something that some tenants need.
    private bool HasRoom(long bytes, string[] tenants, Sequence? except = null)
    {
        while (IsLimited && !_pool.MakeRoom(bytes))
        {
            if (!ForgetFor(tenants, except))
                return false;
        }

        return true;
    }

    private bool ForgetFor(string[] tenants, Sequence? except) => Forget(except, tenants.Contains)
        || (_memory.Idle.Any(s => !tenants.Contains(s.Tenant)) && Forget(except, IsOverItsPart(tenants))); // to count what each has takes a look at all caches

    private bool ForgetAnybodys() => Forget(except: null, static _ => true);

    private bool Forget(Sequence? except, Func<string, bool> whose)
    {
        if (!_memory.ForgetOldest(except, whose))
            return false;
        ChatMetrics.Forgotten();
        return true;
    }

    // Whether a tenant has more of the memory than each would have, if all who have some and those who want some had the same.
    private Func<string, bool> IsOverItsPart(string[] wanting)
    {
        Dictionary<string, long> bytes = _memory.Idle.Concat(Busy).GroupBy(s => s.Tenant).ToDictionary(g => g.Key, BytesOf);
        long part = _pool.MemoryLimit / Math.Max(1, bytes.Keys.Union(wanting).Count());
        return tenant => bytes[tenant] > part;
    }

    // What sequences share counts once: they share it with each other.
    private static long BytesOf(IEnumerable<Sequence> sequences)
    {
        long own = 0, shared = 0;
        foreach (Sequence sequence in sequences)
        {
            Caching.CacheStatistics statistics = sequence.Cache.Statistics;
            own += statistics.TotalBytes - statistics.SharedBytes;
            shared = Math.Max(shared, statistics.SharedBytes);
        }

        return own + shared;
    }
}
