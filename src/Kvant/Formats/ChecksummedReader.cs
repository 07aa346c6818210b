using System.Buffers;
using System.Buffers.Binary;
using Kvant.Kernels;

namespace Kvant.Formats;

/// <summary>Reads a cache file from front to back, from a stream or from bytes in memory, and keeps the checksum of what it read.</summary>
internal ref struct ChecksummedReader
{
    private const int Piece = 1 << 16;

    private readonly Stream? _stream;
    private ReadOnlySpan<byte> _rest;
    private uint _checksum;

    /// <summary>A reader of a stream, from where it stands.</summary>
    /// <param name="stream">The stream; nothing behind the file is read of it.</param>
    /// <param name="name">What messages call it.</param>
    /// <param name="position">The byte of the file where the stream stands.</param>
    public ChecksummedReader(Stream stream, string name, long position = 0) => (_stream, Name, Position) = (stream, name, position);

    /// <summary>A reader of a whole file in memory.</summary>
    public ChecksummedReader(ReadOnlySpan<byte> bytes, string name)
    {
        _rest = bytes;
        Name = name;
    }

    /// <summary>What messages call the file.</summary>
    public string Name { get; }

    /// <summary>Whether what is read must end with the file; behind a file in a stream there may be more.</summary>
    public readonly bool IsWhole => _stream is null;

    /// <summary>The byte that comes next.</summary>
    public long Position { get; private set; }

    /// <summary>Reads bytes.</summary>
    /// <exception cref="InvalidDataException">There are fewer.</exception>
    public void Read(scoped Span<byte> destination)
    {
        int found;
        if (_stream is null)
        {
            found = Math.Min(destination.Length, _rest.Length);
            _rest[..found].CopyTo(destination);
            _rest = _rest[found..];
        }
        else
        {
            found = _stream.ReadAtLeast(destination, destination.Length, throwOnEndOfStream: false);
        }

        if (found < destination.Length)
            throw InvalidData($"the file ends at byte {Position + found}; {destination.Length - found} more are wanted");
        _checksum = Crc32C.Append(_checksum, destination);
        Position += found;
    }

    /// <summary>Reads bytes whose number is not proven yet: memory grows as they come.</summary>
    public byte[] ReadGrowing(int count)
    {
        var bytes = new ArrayBufferWriter<byte>(Math.Clamp(count, 1, Piece)); // a writer without room is refused
        while (bytes.WrittenCount < count)
        {
            Span<byte> piece = bytes.GetSpan()[..Math.Min(bytes.FreeCapacity, count - bytes.WrittenCount)];
            Read(piece);
            bytes.Advance(piece.Length);
        }

        return bytes.WrittenSpan.ToArray();
    }

    /// <summary>Reads bytes that nobody wants but the checksum.</summary>
    public void Skip(long count)
    {
        byte[] piece = new byte[(int)Math.Min(count, Piece)];
        for (; count > 0; count -= piece.Length)
            Read(piece.AsSpan(0, (int)Math.Min(count, piece.Length)));
    }

    /// <summary>Reads the checksum of all that was read since the last one, and compares.</summary>
    /// <param name="bytes">Its bytes; those behind the first four are zeros.</param>
    /// <param name="what">What it covers.</param>
    /// <exception cref="InvalidDataException">They differ.</exception>
    public void RequireChecksum(int bytes, string what)
    {
        uint found = _checksum;
        Span<byte> stored = stackalloc byte[bytes];
        Read(stored);
        uint wanted = BinaryPrimitives.ReadUInt32LittleEndian(stored);
        if (found != wanted || stored[sizeof(uint)..].ContainsAnyExcept((byte)0))
            throw InvalidData($"{what} is damaged: its checksum is {found:x8}; {wanted:x8} is written behind it, at byte {Position - bytes}");
        _checksum = 0;
    }

    /// <summary>An error that names the file.</summary>
    public readonly InvalidDataException InvalidData(string message, Exception? cause = null) => new($"{Name}: {message}", cause);
}
