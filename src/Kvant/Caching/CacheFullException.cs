namespace Kvant.Caching;

/// <summary>A pool's limit leaves no room for what a cache needs. The caches are as they were: free memory, or ask for less, and go on.</summary>
/// <remarks>It says nothing about the memory of the process or of the machine.</remarks>
public sealed class CacheFullException : Exception
{
    /// <summary>What was asked of a pool and could not be had.</summary>
    /// <param name="neededBytes">Bytes that were needed at once.</param>
    /// <param name="heldBytes">Bytes that caches held of the pool.</param>
    /// <param name="memoryLimit">The most that the pool may give.</param>
    public CacheFullException(long neededBytes, long heldBytes, long memoryLimit)
        : base($"{neededBytes} bytes are needed; caches of the pool hold {heldBytes} of at most {memoryLimit}.")
    {
        (NeededBytes, HeldBytes, MemoryLimit) = (neededBytes, heldBytes, memoryLimit);
    }

    /// <summary>Bytes that were needed at once.</summary>
    public long NeededBytes { get; }

    /// <summary>Bytes that caches held of the pool; what is free counts as room.</summary>
    public long HeldBytes { get; }

    /// <summary>The most that the pool may give.</summary>
    public long MemoryLimit { get; }
}
