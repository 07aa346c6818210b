using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Kvant.OnnxRuntime.Graphs;

/// <summary>Writes a message of protocol buffers field by field.</summary>
internal sealed class WireWriter
{
    private readonly ArrayBufferWriter<byte> _buffer = new();

    /// <summary>What was written so far.</summary>
    public ReadOnlyMemory<byte> Message => _buffer.WrittenMemory;

    public WireWriter Number(int field, long number)
    {
        Tag(field, 0);
        Varint((ulong)number);
        return this;
    }

    public WireWriter Single(int field, float number)
    {
        Tag(field, 5);
        BinaryPrimitives.WriteSingleLittleEndian(_buffer.GetSpan(4), number);
        _buffer.Advance(4);
        return this;
    }

    public WireWriter Bytes(int field, ReadOnlySpan<byte> bytes)
    {
        Tag(field, 2);
        Varint((ulong)bytes.Length);
        _buffer.Write(bytes);
        return this;
    }

    public WireWriter Text(int field, string text) => Bytes(field, Encoding.UTF8.GetBytes(text));

    public WireWriter Nested(int field, WireWriter message) => Bytes(field, message.Message.Span);

    private void Tag(int field, int type) => Varint(((ulong)field << 3) | (uint)type);

    private void Varint(ulong number)
    {
        for (; number >= 128; number >>= 7)
            Byte((byte)(number | 128));
        Byte((byte)number);
    }

    private void Byte(byte value)
    {
        _buffer.GetSpan(1)[0] = value;
        _buffer.Advance(1);
    }
}
