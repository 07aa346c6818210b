using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;

namespace Kvant.Conversations;

/// <summary>Counts what a store of prefixes does, for its statistics and for the meter. Any number of threads.</summary>
internal sealed class PrefixCounts
{
    private readonly Lock _lock = new();
    private readonly Dictionary<ChunkMiss, long> _misses = [];
    private readonly Dictionary<PutOutcome, long> _refusals = [];
    private PrefixStatistics _sum = new();

    public PrefixStatistics Snapshot()
    {
        lock (_lock)
            return _sum with { Misses = new Dictionary<ChunkMiss, long>(_misses), Refusals = new Dictionary<PutOutcome, long>(_refusals) };
    }

    public void Restored(int lookedUp, int hit, int recoded, long bytes, ChunkMiss? miss, TimeSpan time)
    {
        lock (_lock)
        {
            _sum = _sum with { TokensLookedUp = _sum.TokensLookedUp + lookedUp, TokensHit = _sum.TokensHit + hit, TokensRecoded = _sum.TokensRecoded + recoded, BytesLoaded = _sum.BytesLoaded + bytes };
            if (miss is { } reason)
                _misses[reason] = _misses.GetValueOrDefault(reason) + 1;
        }

        ConversationMetrics.Restored(lookedUp, hit, recoded, bytes, miss, time);
    }

    public void Put(PutOutcome outcome, int bytes, long raw, TimeSpan time)
    {
        lock (_lock)
        {
            if (outcome == PutOutcome.Stored)
                _sum = _sum with { ChunksStored = _sum.ChunksStored + 1, BytesStored = _sum.BytesStored + bytes };
            else
                _refusals[outcome] = _refusals.GetValueOrDefault(outcome) + 1;
        }

        ConversationMetrics.Put(outcome, bytes, raw, time);
    }

    public void Known()
    {
        lock (_lock)
            _sum = _sum with { ChunksKnown = _sum.ChunksKnown + 1 };
    }

    public void Dropped(int chunks)
    {
        lock (_lock)
            _sum = _sum with { ChunksDropped = _sum.ChunksDropped + chunks };
        ConversationMetrics.Dropped(chunks);
    }
}
