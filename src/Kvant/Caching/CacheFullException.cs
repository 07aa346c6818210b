namespace Kvant.Caching;

/// <summary>A pool's limit leaves no room for what a cache needs. Nothing has changed: free memory, or ask for less, and go on.</summary>
/// <remarks>It says nothing about the memory of the process or of the machine.</remarks>
public sealed class CacheFullException : Exception
{
    /// <summary>What was asked of a pool and could not be had.</summary>
    /// <param name="neededBytes">Bytes that were needed at once.</param>
    /// <param name="heldBytes">Bytes that the pool held.</param>
    /// <param name="memoryLimit">The most that it may hold.</param>
    public CacheFullException(long neededBytes, long heldBytes, long memoryLimit)
        : base($"{neededBytes} bytes are needed; the pool holds {heldBytes} of at most {memoryLimit}.")
    {
        (NeededBytes, HeldBytes, MemoryLimit) = (neededBytes, heldBytes, memoryLimit);
    }

    /// <summary>Bytes that were needed at once.</summary>
    public long NeededBytes { get; }

    /// <summary>Bytes that the pool held of the system.</summary>
    public long HeldBytes { get; }

    /// <summary>The most that the pool may hold.</summary>
    public long MemoryLimit { get; }
}
