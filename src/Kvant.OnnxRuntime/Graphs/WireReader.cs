using System.Buffers.Binary;
using System.Text;

namespace Kvant.OnnxRuntime.Graphs;

/// <summary>Reads a message of protocol buffers field by field, as their documentation "Encoding" describes them. Nothing is copied.</summary>
internal ref struct WireReader(ReadOnlyMemory<byte> message)
{
    private readonly ReadOnlySpan<byte> _bytes = message.Span;
    private int _next;

    /// <summary>The field that <see cref="Next"/> came to.</summary>
    public int Field { get; private set; }

    /// <summary>The number of a field that holds one.</summary>
    public ulong Number { get; private set; }

    /// <summary>The content of a field that holds bytes, a text or a message.</summary>
    public ReadOnlyMemory<byte> Content { get; private set; }

    /// <summary>The same as text.</summary>
    public readonly string Text => Encoding.UTF8.GetString(Content.Span);

    /// <summary>The number as a float of 32 bits.</summary>
    public readonly float Single => BitConverter.UInt32BitsToSingle((uint)Number);

    private bool IsBytes { get; set; }

    /// <summary>Goes to the next field.</summary>
    /// <returns>False at the end of the message.</returns>
    /// <exception cref="InvalidDataException">The message is broken.</exception>
    public bool Next()
    {
        if (_next == _bytes.Length)
            return false;
        int begin = _next;
        ulong tag = ReadNumber();
        Field = tag >> 3 is > 0 and < 1 << 29 and var field ? (int)field : throw Broken(begin, $"the field number {tag >> 3}");
        (Number, Content, IsBytes) = (0, default, false);
        switch (tag & 7)
        {
            case 0:
                Number = ReadNumber();
                break;
            case 1:
                Number = BinaryPrimitives.ReadUInt64LittleEndian(Take(8, begin).Span);
                break;
            case 2:
                (IsBytes, Content) = (true, Take(ReadNumber(), begin));
                break;
            case 5:
                Number = BinaryPrimitives.ReadUInt32LittleEndian(Take(4, begin).Span);
                break;
            default:
                throw Broken(begin, $"the wire type {tag & 7}");
        }

        return true;
    }

    /// <summary>Adds the numbers of a repeated field, which stand alone or packed together.</summary>
    public readonly void AddNumbers(List<long> numbers)
    {
        if (!IsBytes)
        {
            numbers.Add((long)Number);
            return;
        }

        for (WireReader packed = new(Content); packed._next < packed._bytes.Length;)
            numbers.Add((long)packed.ReadNumber());
    }

    private ulong ReadNumber()
    {
        int begin = _next;
        ulong number = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            if (_next == _bytes.Length)
                throw Broken(begin, "a number that does not end");
            byte part = _bytes[_next++];
            number |= (ulong)(part & 127) << shift;
            if (part < 128)
                return number;
        }

        throw Broken(begin, "a number of more than 64 bits");
    }

    private ReadOnlyMemory<byte> Take(ulong count, int begin)
    {
        if (count > (ulong)(_bytes.Length - _next))
            throw Broken(begin, $"a field of {count} bytes where {_bytes.Length - _next} are left");
        _next += (int)count;
        return message.Slice(_next - (int)count, (int)count);
    }

    private readonly InvalidDataException Broken(int offset, string what) => new($"The ONNX model is broken: at byte {offset} of a message of {_bytes.Length} there is {what}.");
}
