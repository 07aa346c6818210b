using System.Buffers.Binary;
using System.IO.Compression;
using Kvant.Kernels;

namespace Kvant.LlamaCpp.Compression;

/// <summary>
/// Frames of a compressed state: a kind, two lengths, bytes, and a checksum of all of it. Bytes whose values are unlike enough in number are written in fewer bits (deflate with Huffman codes
/// alone): that takes a twentieth off codes of 8 bits and nothing off those of trellises, which are left as they are.
/// </summary>
internal static class Frames
{
    private const int HeadBytes = 20;

    // What a code of at least one bit for each byte makes of so many bytes; a reader believes no more.
    private const int MostGrowth = 8;
    private const int Spare = 64;

    // Less is not worth the time that it takes to read.
    private const double LeastGain = 1.0 / 32;

    // The frequencies of fewer say little.
    private const int LeastBytes = 1 << 13;

    private const int Piece = 1 << 20;

    /// <summary>Writes a frame.</summary>
    public static void Write(Stream stream, FrameKind kind, ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<byte> stored = Gain(bytes) >= LeastGain && Deflate(bytes) is { } shorter && shorter.Length < bytes.Length ? shorter : bytes;
        Span<byte> head = stackalloc byte[HeadBytes];
        head.Clear();
        head[0] = (byte)kind;
        head[1] = stored.Length < bytes.Length ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteInt64LittleEndian(head[4..], bytes.Length);
        BinaryPrimitives.WriteInt64LittleEndian(head[12..], stored.Length);
        stream.Write(head);
        stream.Write(stored);
        Span<byte> checksum = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(checksum, Crc32C.Append(Crc32C.Compute(head), stored));
        stream.Write(checksum);
    }

    /// <summary>Reads a frame whose checksum is right.</summary>
    /// <param name="stream">Stands where it begins.</param>
    /// <param name="name">What messages call the file.</param>
    /// <param name="kinds">What it may be.</param>
    /// <param name="most">The most bytes that it may hold.</param>
    /// <exception cref="InvalidDataException">It is damaged or another one.</exception>
    public static (FrameKind Kind, byte[] Bytes) Read(Stream stream, string name, ReadOnlySpan<FrameKind> kinds, long most)
    {
        Span<byte> head = stackalloc byte[HeadBytes];
        ReadExactly(stream, name, head);
        var kind = (FrameKind)head[0];
        long length = BinaryPrimitives.ReadInt64LittleEndian(head[4..]), stored = BinaryPrimitives.ReadInt64LittleEndian(head[12..]);
        bool isDeflated = head[1] == 1;
        if (!kinds.Contains(kind) || head[1] > 1 || head[2] != 0 || head[3] != 0)
            throw new InvalidDataException($"{name}: a frame of kind {head[0]} and coding {head[1]} where {string.Join(" or ", kinds.ToArray())} is wanted");
        if (length < 0 || length > Math.Min(most, Array.MaxLength) || stored < 0 || (isDeflated ? stored >= length || length > (MostGrowth * stored) + Spare : stored != length))
            throw new InvalidDataException($"{name}: a frame of {length} bytes in {stored}; at most {most} are possible here");
        byte[] bytes = ReadGrowing(stream, name, (int)stored);
        uint found = Crc32C.Append(Crc32C.Compute(head), bytes);
        Span<byte> checksum = stackalloc byte[sizeof(uint)];
        ReadExactly(stream, name, checksum);
        if (BinaryPrimitives.ReadUInt32LittleEndian(checksum) is var wanted && found != wanted)
            throw new InvalidDataException($"{name}: a frame ({kind}) is damaged: its checksum is {found:x8}; {wanted:x8} is written behind it");
        return (kind, isDeflated ? Inflate(bytes, (int)length, name) : bytes);
    }

    /// <summary>Reads so many bytes.</summary>
    /// <exception cref="InvalidDataException">There are fewer.</exception>
    public static void ReadExactly(Stream stream, string name, Span<byte> destination)
    {
        if (stream.ReadAtLeast(destination, destination.Length, throwOnEndOfStream: false) is var found && found < destination.Length)
            throw new InvalidDataException($"{name}: it ends {destination.Length - found} bytes early");
    }

    /// <summary>Reads bytes whose number is not proven yet: memory grows as they come, or at once where the stream says that they are there.</summary>
    public static byte[] ReadGrowing(Stream stream, string name, int count)
    {
        if (stream.CanSeek && stream.Length - stream.Position < count)
            throw new InvalidDataException($"{name}: it ends {count - (stream.Length - stream.Position)} bytes early");
        byte[] bytes = new byte[stream.CanSeek ? count : Math.Min(count, Piece)];
        for (int filled = 0; ;)
        {
            ReadExactly(stream, name, bytes.AsSpan(filled));
            filled = bytes.Length;
            if (filled == count)
                return bytes;
            Array.Resize(ref bytes, (int)Math.Min(count, 2L * filled));
        }
    }

    // The share of the bytes that codes by frequency would save.
    private static double Gain(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < LeastBytes)
            return 0;
        Span<int> counts = stackalloc int[4 * 256];
        counts.Clear();
        for (int i = 0; i < bytes.Length; i++)
            counts[((i & 3) << 8) | bytes[i]]++;
        double bits = 0;
        for (int value = 0; value < 256; value++)
        {
            int count = counts[value] + counts[256 + value] + counts[512 + value] + counts[768 + value];
            bits += count == 0 ? 0 : count * Math.Log2((double)bytes.Length / count);
        }

        return 1 - (bits / 8 / bytes.Length);
    }

    private static byte[] Deflate(ReadOnlySpan<byte> bytes)
    {
        using var shorter = new MemoryStream(bytes.Length);
        using (var deflate = new DeflateStream(shorter, new ZLibCompressionOptions { CompressionLevel = 1, CompressionStrategy = ZLibCompressionStrategy.HuffmanOnly }, leaveOpen: true))
            deflate.Write(bytes);
        return shorter.ToArray();
    }

    private static byte[] Inflate(byte[] stored, int length, string name)
    {
        byte[] bytes = new byte[length];
        try
        {
            using var inflate = new DeflateStream(new MemoryStream(stored), CompressionMode.Decompress);
            inflate.ReadExactly(bytes);
            if (inflate.ReadByte() >= 0)
                throw new InvalidDataException("there is more");
        }
        catch (Exception broken) when (broken is InvalidDataException or EndOfStreamException)
        {
            throw new InvalidDataException($"{name}: a frame does not hold {length} deflated bytes: {broken.Message}", broken);
        }

        return bytes;
    }
}
