namespace Kvant.Caching;

// To bytes and back.
public sealed partial class KvCache
{
    /// <summary>The whole cache as bytes, from which <see cref="Thaw"/> makes one that attends alike. The bytes depend on content alone.</summary>
    public byte[] Freeze()
    {
        using var stream = new MemoryStream();
        Freeze(stream);
        return stream.ToArray();
    }

    /// <summary>Writes the bytes of <see cref="Freeze()"/>.</summary>
    /// <param name="stream">Receives them.</param>
    public void Freeze(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        EnterRead();
        try
        {
            FrozenCache.Write(Options, _layers, stream);
        }
        finally
        {
            ExitRead();
        }
    }

    /// <summary>Makes a cache from the bytes of <see cref="Freeze()"/>.</summary>
    /// <param name="bytes">All of them and no more.</param>
    /// <param name="pool">Where its memory comes from; null for a pool of its own.</param>
    /// <exception cref="InvalidDataException">The bytes are damaged, cut short, of another version or not a frozen cache; the message says where.</exception>
    /// <exception cref="CacheFullException">The pool's limit leaves no room.</exception>
    public static KvCache Thaw(ReadOnlySpan<byte> bytes, PagePool? pool = null)
    {
        FrozenHeader header = FrozenHeader.Read(bytes);
        FrozenCache.RequireIntact(header, bytes);
        KvCache cache;
        try
        {
            cache = new KvCache(header.Options with { Pool = pool });
        }
        catch (Exception refused) when (refused is ArgumentException or OverflowException)
        {
            throw new InvalidDataException($"The header, bytes {FrozenHeader.Start} to {header.End}: {refused.Message}", refused);
        }

        try
        {
            FrozenCache.Read(header, bytes, cache._layers, ownPool: pool is null, cache._scratch);
            return cache;
        }
        catch
        {
            cache.Dispose();
            throw;
        }
    }
}
