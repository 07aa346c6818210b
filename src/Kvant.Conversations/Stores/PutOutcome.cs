namespace Kvant.Conversations.Stores;

/// <summary>What became of a value that was to be stored. None but the first is a reason to stop: the conversation goes on without it.</summary>
public enum PutOutcome
{
    /// <summary>It is stored.</summary>
    Stored,

    /// <summary>It is longer than the store takes.</summary>
    TooLong,

    /// <summary>There is no room for it: the store, or the disk, is full.</summary>
    NoRoom,

    /// <summary>The store did not answer in time.</summary>
    TimedOut,

    /// <summary>The store cannot be reached or failed.</summary>
    Failed,
}
