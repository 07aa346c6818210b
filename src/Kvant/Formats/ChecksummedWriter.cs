using System.Buffers.Binary;
using Kvant.Kernels;

namespace Kvant.Formats;

/// <summary>Writes a cache file from front to back and keeps the checksum of what it wrote; the stream need not seek.</summary>
internal sealed class ChecksummedWriter(Stream stream)
{
    private uint _checksum;

    /// <summary>Writes bytes.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        stream.Write(bytes);
        _checksum = Crc32C.Append(_checksum, bytes);
    }

    /// <summary>Writes the checksum of all that was written since the last one.</summary>
    /// <param name="bytes">Its bytes; those behind the first four are zeros.</param>
    public void WriteChecksum(int bytes)
    {
        Span<byte> stored = stackalloc byte[bytes];
        stored.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(stored, _checksum);
        stream.Write(stored);
        _checksum = 0;
    }
}
