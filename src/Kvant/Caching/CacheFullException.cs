namespace Kvant.Caching;

/// <summary>A pool's limit, or that of a cache (<see cref="KvCacheOptions.MemoryLimit"/>), leaves no room for what is needed. The caches are as they were: free memory, or ask for less, and go on.</summary>
/// <remarks>It says nothing about the memory of the process or of the machine.</remarks>
public sealed class CacheFullException : Exception
{
    /// <summary>What was asked of a pool and could not be had.</summary>
    /// <param name="neededBytes">Bytes that were needed at once.</param>
    /// <param name="heldBytes">Bytes that caches held of the pool.</param>
    /// <param name="memoryLimit">The most that the pool may give.</param>
    public CacheFullException(long neededBytes, long heldBytes, long memoryLimit)
        : this($"{neededBytes} bytes are needed; caches hold {heldBytes} of at most {memoryLimit}.", neededBytes, heldBytes, memoryLimit)
    {
    }

    private CacheFullException(string message, long neededBytes, long heldBytes, long memoryLimit)
        : base(message) => (NeededBytes, HeldBytes, MemoryLimit) = (neededBytes, heldBytes, memoryLimit);

    /// <summary>Bytes that were needed at once.</summary>
    public long NeededBytes { get; }

    /// <summary>Bytes that caches held of the pool, what is free counts as room; or bytes of the layer.</summary>
    public long HeldBytes { get; }

    /// <summary>The most that the pool may give; or the layer's share of the cache's own limit.</summary>
    public long MemoryLimit { get; }

    /// <summary>A layer has no room in its share of its cache's limit.</summary>
    internal static CacheFullException OfLayer(int layer, long neededBytes, long heldBytes, long share, long cacheLimit) =>
        new($"Layer {layer} needs {neededBytes} bytes more; it holds {heldBytes} of at most {share}, its share of the cache's limit of {cacheLimit}.", neededBytes, heldBytes, share);
}
