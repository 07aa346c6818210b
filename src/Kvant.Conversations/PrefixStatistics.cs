using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;

namespace Kvant.Conversations;

/// <summary>What a <see cref="PrefixStore"/> has done so far.</summary>
public sealed record PrefixStatistics
{
    /// <summary>Tokens whose chunks were looked for.</summary>
    public long TokensLookedUp { get; init; }

    /// <summary>Tokens of them that were restored.</summary>
    public long TokensHit { get; init; }

    /// <summary>Of the restored tokens those that are in fewer bits than when they were stored.</summary>
    public long TokensRecoded { get; init; }

    /// <summary>Bytes of the chunks that were restored.</summary>
    public long BytesLoaded { get; init; }

    /// <summary>Chunks that were written.</summary>
    public long ChunksStored { get; init; }

    /// <summary>Chunks that were in the store already.</summary>
    public long ChunksKnown { get; init; }

    /// <summary>Bytes of the chunks that were written.</summary>
    public long BytesStored { get; init; }

    /// <summary>Chunks that found the queue full. They are tried again with the next of their sequence.</summary>
    public long ChunksDropped { get; init; }

    /// <summary>How often a prefix ended for each reason; reasons that did not happen are not there.</summary>
    public IReadOnlyDictionary<ChunkMiss, long> Misses { get; init; } = new Dictionary<ChunkMiss, long>();

    /// <summary>How often a chunk could not be stored, for each reason; reasons that did not happen are not there.</summary>
    public IReadOnlyDictionary<PutOutcome, long> Refusals { get; init; } = new Dictionary<PutOutcome, long>();
}
