using System.Buffers.Binary;
using System.Text;
using Kvant.Formats;

namespace Kvant.Models.Gguf;

/// <summary>Reads a GGUF file from front to back. Every read is checked against the end of the file first.</summary>
internal struct GgufCursor(MappedFile file, long position)
{
    private static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    internal long Position { get; private set; } = position;

    internal readonly long Left => file.Length - Position;

    /// <summary>The bytes that a value of fixed size takes; 0 for text and arrays.</summary>
    internal static int Size(GgufValueType type) => type switch
    {
        GgufValueType.UInt8 or GgufValueType.Int8 or GgufValueType.Boolean => 1,
        GgufValueType.UInt16 or GgufValueType.Int16 => 2,
        GgufValueType.UInt32 or GgufValueType.Int32 or GgufValueType.Float32 => 4,
        GgufValueType.UInt64 or GgufValueType.Int64 or GgufValueType.Float64 => 8,
        _ => 0,
    };

    internal uint UInt32(string what) => BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4, what));

    internal ulong UInt64(string what) => BinaryPrimitives.ReadUInt64LittleEndian(Bytes(8, what));

    /// <summary>A count of things of which each takes at least so many bytes: no larger than the rest of the file can hold.</summary>
    internal long Count(string what, int leastBytesEach)
    {
        long start = Position;
        ulong count = UInt64(what);
        if (count > (ulong)(Left / leastBytesEach))
            throw file.InvalidData(start, $"{what} claims {count}, the {Left} bytes that follow hold at most {Left / leastBytesEach}");
        return (long)count;
    }

    internal string Text(string what, int longest)
    {
        ReadOnlySpan<byte> bytes = TextBytes(what, longest);
        try
        {
            return s_strict.GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw file.InvalidData(Position - bytes.Length, $"{what} is not valid UTF-8", e);
        }
    }

    internal ReadOnlySpan<byte> TextBytes(string what, int longest = int.MaxValue)
    {
        long start = Position;
        long length = Count(what, 1);
        if (length > longest) throw file.InvalidData(start, $"{what} has {length} bytes, at most {longest} are allowed");
        return Bytes((int)length, what);
    }

    internal ReadOnlySpan<byte> Bytes(int count, string what)
    {
        if (count > Left) throw file.InvalidData(Position, $"the file ends inside {what}: {count} bytes wanted, {Left} left");
        ReadOnlySpan<byte> bytes = file.Bytes(Position, count);
        Position += count;
        return bytes;
    }

    internal void Skip(long count, string what)
    {
        if (count > Left) throw file.InvalidData(Position, $"the file ends inside {what}: {count} bytes wanted, {Left} left");
        Position += count;
    }
}
