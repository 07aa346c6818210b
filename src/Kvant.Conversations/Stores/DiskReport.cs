namespace Kvant.Conversations.Stores;

/// <summary>What is in the folder of a <see cref="DiskChunkStore"/>.</summary>
public sealed record DiskReport
{
    /// <summary>Chunks, good or not.</summary>
    public required int Files { get; init; }

    /// <summary>Bytes of all of them.</summary>
    public required long Bytes { get; init; }

    /// <summary>Files that are no whole chunks, or of no use, and why; paths within the folder.</summary>
    public IReadOnlyList<(string File, string Reason)> Problems { get; init; } = [];

    /// <summary>Chunks that were removed to be below the limit.</summary>
    public int Evicted { get; init; }

    /// <summary>Chunks that were coded again to fewer bits.</summary>
    public int Recoded { get; init; }

    /// <summary>Bytes that these take less than before.</summary>
    public long Saved { get; init; }
}
