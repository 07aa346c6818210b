using Kvant.Caching;
using Turn = Kvant.Models.Generation.ChatMessage;

namespace Kvant.Chat.Scheduling;

/// <summary>Sequences that nobody writes to at the moment, used last first; and how a new one begins with what another has.</summary>
/// <param name="options">Of all caches.</param>
/// <param name="stores">Has sequences stored as they grow.</param>
/// <param name="most">How many of a tenant may lie idle.</param>
internal sealed class SequenceMemory(KvCacheOptions options, TenantStores stores, int most) : IDisposable
{
    /// <summary>A beginning that is shorter is read faster than it is forked.</summary>
    public const int ShortestShared = 16;

    private readonly LinkedList<Sequence> _idle = [];

    /// <summary>Takes the sequence that holds all turns but the new ones: its tokens are what the model said, not what its text would be cut into.</summary>
    /// <param name="tenant">Whose.</param>
    /// <param name="turns">All turns.</param>
    /// <param name="encode">Writes the new turns behind those that are held, in tokens; null where only the whole is right.</param>
    public (Sequence Sequence, int[] Tokens)? TakeNext(string tenant, IReadOnlyList<Turn> turns, Func<IReadOnlyList<Turn>, int[]?> encode)
    {
        foreach (Sequence sequence in _idle)
        {
            if (sequence.Tenant != tenant || sequence.Held is not { } held || held.Count >= turns.Count || !held.SequenceEqual(turns.Take(held.Count)))
                continue;
            if (encode(held) is not { } next)
                return null;
            _idle.Remove(sequence);
            return (sequence, [.. sequence.Tokens, .. next]);
        }

        return null;
    }

    /// <summary>Finds the sequence that has most of some tokens, idle or busy.</summary>
    public (Sequence? Sequence, int Known) Longest(string tenant, ReadOnlySpan<int> tokens, IEnumerable<Sequence> busy)
    {
        Sequence? best = null;
        int known = 0;
        foreach (Sequence sequence in _idle.Concat(busy))
        {
            int common = sequence.Tenant == tenant ? sequence.Tokens.CommonPrefixLength(tokens) : 0;
            if (common > known && sequence.Cache.CanTruncate(common))
                (best, known) = (sequence, common);
        }

        return (best, known);
    }

    /// <summary>Takes a sequence that begins with what another has: that one, if it is idle and has nothing besides; else a fork, or, where that is not worth it, an empty one.</summary>
    /// <param name="tenant">Whose.</param>
    /// <param name="best">The other; null for none.</param>
    /// <param name="known">Tokens that are wanted of it.</param>
    public Sequence Take(string tenant, Sequence? best, int known)
    {
        if (best is not null && known == best.Tokens.Length && _idle.Remove(best))
            return best;
        if (best is null || known < ShortestShared)
            return Empty(tenant);
        KvCache cache = best.Cache.Fork();
        try
        {
            cache.Truncate(known);
            return new Sequence(tenant, cache, best.Tokens[..known], Follow(tenant, cache));
        }
        catch (CacheFullException)
        {
            cache.Dispose();
            return Empty(tenant);
        }
    }

    /// <summary>Puts a sequence back that is whole; those of its tenant that were used longest ago go where there are too many.</summary>
    public void Return(Sequence sequence)
    {
        _idle.AddFirst(sequence);
        for (int count = _idle.Count(s => s.Tenant == sequence.Tenant); count > most; count--)
            ForgetOldest(except: null, tenant => tenant == sequence.Tenant);
    }

    /// <summary>Those that nobody writes to.</summary>
    public IEnumerable<Sequence> Idle => _idle;

    /// <summary>Forgets the idle sequence that was used longest ago; what is stored of it stays so.</summary>
    /// <param name="except">Stays; null for none.</param>
    /// <param name="whose">Whether a tenant's may go.</param>
    /// <returns>Whether there was one.</returns>
    public bool ForgetOldest(Sequence? except, Func<string, bool> whose)
    {
        for (LinkedListNode<Sequence>? oldest = _idle.Last; oldest is not null; oldest = oldest.Previous)
        {
            if (oldest.Value == except || !whose(oldest.Value.Tenant))
                continue;
            _idle.Remove(oldest);
            oldest.Value.Dispose();
            return true;
        }

        return false;
    }

    /// <summary>Has a cache stored as it grows.</summary>
    public Conversations.StoredSequence? Follow(string tenant, KvCache cache) => stores.Of(tenant)?.Follow(cache);

    public void Dispose()
    {
        foreach (Sequence sequence in _idle)
            sequence.Dispose();
        _idle.Clear();
    }

    private Sequence Empty(string tenant)
    {
        KvCache cache = new(options);
        return new Sequence(tenant, cache, [], Follow(tenant, cache));
    }
}
