namespace Kvant.Conversations;

/// <summary>What a call of <see cref="StoredSequence.Store"/> did.</summary>
public enum StoreOutcome
{
    /// <summary>No chunk was closed since the last call.</summary>
    NothingNew,

    /// <summary>New chunks wait to be written.</summary>
    Queued,

    /// <summary>There are new chunks, and the queue is full. The next call that closes one tries again.</summary>
    QueueFull,

    /// <summary>Tokens were evicted from the cache, so that what it holds is no prefix.</summary>
    Evicted,

    /// <summary>A section that every chunk must have was not kept at its border (<see cref="StoredSequence.Keep"/>).</summary>
    SectionMissing,

    /// <summary>Tokens were coded again (<see cref="Kvant.Caching.KvCache.Recode"/>) with codecs that chose from the data anew, or with larger blocks in a layer with a sliding window; no chunk says that.</summary>
    Recoded,
}
