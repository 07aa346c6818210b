namespace Kvant.Conversations.Chunks;

/// <summary>Why a chunk was not to be had. A miss is an answer: the tokens are read by the model instead.</summary>
public enum ChunkMiss
{
    /// <summary>Nobody stored it, or it was evicted.</summary>
    Absent,

    /// <summary>The store did not answer in time.</summary>
    TimedOut,

    /// <summary>The store cannot be reached or failed.</summary>
    Unreachable,

    /// <summary>The value is longer than a chunk of this kind can be.</summary>
    TooLong,

    /// <summary>The bytes are not what was written: cut short, or a checksum is wrong.</summary>
    Damaged,

    /// <summary>The bytes are of another version of the format.</summary>
    OtherVersion,

    /// <summary>The bytes belong under another key.</summary>
    OtherKey,

    /// <summary>The chunk holds other tokens: two names were the same.</summary>
    OtherTokens,

    /// <summary>What its codecs learnt from the first tokens is not what those of the first chunk did: two sequences of the same tokens were stored in turns.</summary>
    OtherState,

    /// <summary>Layers with sliding windows had forgotten rows of it before it was stored, which a sequence that ends here needs.</summary>
    Forgotten,

    /// <summary>The pool has no room for it.</summary>
    NoRoom,

    /// <summary>It was coded again since it was stored, and a cache of the chunks before and this one would have tokens in more than eight kinds of blocks; or it was coded again while it was loaded.</summary>
    OtherForm,
}
