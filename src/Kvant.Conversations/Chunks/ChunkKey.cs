using System.Buffers.Binary;

namespace Kvant.Conversations.Chunks;

/// <summary>
/// The name of a chunk: SHA-256 over all that its bytes depend on (docs/formats/chunk.md), so that equal names mean equal content, in every process, on every machine.
/// </summary>
public readonly struct ChunkKey : IEquatable<ChunkKey>
{
    /// <summary>Bytes of a key.</summary>
    public const int ByteLength = 32;

    // As they stand, most significant first, so that keys sort as their text does.
    private readonly ulong _a, _b, _c, _d;

    /// <summary>A key from its bytes.</summary>
    /// <param name="bytes">32 of them.</param>
    /// <exception cref="ArgumentException">The length is wrong.</exception>
    public ChunkKey(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != ByteLength)
            throw new ArgumentException($"A key has {ByteLength} bytes; there are {bytes.Length}.", nameof(bytes));
        _a = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        _b = BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]);
        _c = BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]);
        _d = BinaryPrimitives.ReadUInt64BigEndian(bytes[24..]);
    }

    /// <summary>Reads what <see cref="ToString"/> wrote.</summary>
    /// <param name="text">64 hexadecimal digits, small letters.</param>
    /// <param name="key">The key.</param>
    /// <returns>Whether the text is a key.</returns>
    public static bool TryParse(ReadOnlySpan<char> text, out ChunkKey key)
    {
        Span<byte> bytes = stackalloc byte[ByteLength];
        bool isKey = text.Length == 2 * ByteLength && !text.ContainsAnyInRange('A', 'F')
            && Convert.FromHexString(text, bytes, out _, out _) == System.Buffers.OperationStatus.Done;
        key = isKey ? new ChunkKey(bytes) : default;
        return isKey;
    }

    /// <summary>Writes the bytes.</summary>
    /// <param name="destination">Receives 32 of them.</param>
    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, _a);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], _b);
        BinaryPrimitives.WriteUInt64BigEndian(destination[16..], _c);
        BinaryPrimitives.WriteUInt64BigEndian(destination[24..], _d);
    }

    /// <summary>64 hexadecimal digits, small letters.</summary>
    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[ByteLength];
        CopyTo(bytes);
        return Convert.ToHexStringLower(bytes);
    }

    /// <inheritdoc/>
    public bool Equals(ChunkKey other) => (_a, _b, _c, _d) == (other._a, other._b, other._c, other._d);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is ChunkKey other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => (int)_a; // a hash already

    /// <summary>Whether two keys are the same.</summary>
    public static bool operator ==(ChunkKey left, ChunkKey right) => left.Equals(right);

    /// <summary>Whether two keys differ.</summary>
    public static bool operator !=(ChunkKey left, ChunkKey right) => !left.Equals(right);
}
