using System.Buffers.Binary;
using System.Text;

namespace Kvant.LlamaCpp.Compression;

/// <summary>Reads the fields of a header. What is not there, or more than can be, is a <see cref="FormatException"/>.</summary>
internal ref struct FieldReader(ReadOnlySpan<byte> bytes)
{
    private static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private ReadOnlySpan<byte> _rest = bytes;

    /// <summary>Bytes that are left.</summary>
    public readonly int Rest => _rest.Length;

    public int Byte() => Take(1)[0];

    public int UInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(sizeof(ushort)));

    public int Int32() => BinaryPrimitives.ReadInt32LittleEndian(Take(sizeof(int)));

    public long Int64() => BinaryPrimitives.ReadInt64LittleEndian(Take(sizeof(long)));

    /// <summary>A number of things that take some bytes each.</summary>
    public int Count(int bytesEach)
    {
        int count = Int32();
        return count >= 0 && count <= Rest / bytesEach ? count : throw new FormatException($"{count} entries of {bytesEach} bytes do not fit the {Rest} bytes that are left.");
    }

    /// <summary>A text, or none.</summary>
    public string? Text()
    {
        int length = UInt16();
        try
        {
            return length == ushort.MaxValue ? null : s_strict.GetString(Take(length));
        }
        catch (DecoderFallbackException broken)
        {
            throw new FormatException("A text is not UTF-8.", broken);
        }
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > _rest.Length)
            throw new FormatException($"It ends {count - _rest.Length} bytes early.");
        ReadOnlySpan<byte> taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }
}
