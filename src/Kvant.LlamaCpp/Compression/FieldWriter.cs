using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Kvant.LlamaCpp.Compression;

/// <summary>Writes the fields of a header, little endian.</summary>
internal sealed class FieldWriter
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

    /// <summary>What was written.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes.WrittenSpan;

    public void Byte(int value) => _bytes.Write([checked((byte)value)]);

    public void UInt16(int value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ushort)];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, checked((ushort)value));
        _bytes.Write(bytes);
    }

    public void Int32(int value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        _bytes.Write(bytes);
    }

    public void Int64(long value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        _bytes.Write(bytes);
    }

    /// <summary>A text, or none.</summary>
    public void Text(string? value)
    {
        byte[] text = Encoding.UTF8.GetBytes(value ?? "");
        UInt16(value is null ? ushort.MaxValue : text.Length);
        _bytes.Write(text);
    }
}
