using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Kvant.Formats;

namespace Kvant.Models.Gguf;

/// <summary>
/// One entry of the metadata. It stays in the file until it is asked for, as the type that the asker wants; an entry of another type
/// gives <see cref="InvalidDataException"/>.
/// </summary>
public sealed class GgufValue
{
    private readonly MappedFile _file;
    private readonly string _key;
    private readonly GgufValueType _type;
    private readonly long _offset;
    private readonly long _length;

    internal GgufValue(MappedFile file, string key, GgufValueType type, bool isArray, long count, long offset, long length)
    {
        _file = file;
        _key = key;
        _type = type;
        _offset = offset;
        _length = length;
        IsArray = isArray;
        Count = count;
    }

    /// <summary>Whether there are many values.</summary>
    public bool IsArray { get; }

    /// <summary>How many values there are; 1 if this is no array.</summary>
    public long Count { get; }

    /// <summary>How one value is stored.</summary>
    internal GgufValueType Type => _type;

    /// <summary>The text.</summary>
    /// <exception cref="InvalidDataException">The value is no text.</exception>
    public string AsText()
    {
        if (IsArray || _type != GgufValueType.Text) throw Refuse("a text");
        return new GgufCursor(_file, _offset).Text(_key, int.MaxValue);
    }

    /// <summary>Yes or no.</summary>
    /// <exception cref="InvalidDataException">The value is neither.</exception>
    public bool AsBoolean()
    {
        if (IsArray || _type != GgufValueType.Boolean) throw Refuse("yes or no");
        return _file.Bytes(_offset, 1)[0] != 0;
    }

    /// <summary>A whole number that fits an int and is not negative: every size and token of a model does and is.</summary>
    /// <exception cref="InvalidDataException">The value is no such number.</exception>
    public int AsCount()
    {
        if (IsArray || !TryWhole(_file.Bytes(_offset, GgufCursor.Size(_type)), out long number)) throw Refuse("a whole number");
        return number is >= 0 and <= int.MaxValue ? (int)number : throw Refuse($"a number from 0 to {int.MaxValue}", $"{number}");
    }

    /// <summary>A finite number.</summary>
    /// <exception cref="InvalidDataException">The value is no number or not finite.</exception>
    public float AsNumber()
    {
        if (IsArray || _type is not (GgufValueType.Float32 or GgufValueType.Float64)) throw Refuse("a number with a fraction");
        ReadOnlySpan<byte> bytes = _file.Bytes(_offset, GgufCursor.Size(_type));
        float number = _type == GgufValueType.Float32 ? BinaryPrimitives.ReadSingleLittleEndian(bytes) : (float)BinaryPrimitives.ReadDoubleLittleEndian(bytes);
        return float.IsFinite(number) ? number : throw Refuse("a finite number", $"{number}");
    }

    /// <summary>All texts of an array.</summary>
    /// <exception cref="InvalidDataException">The value is no array of texts.</exception>
    public string[] AsTexts()
    {
        if (!IsArray || _type != GgufValueType.Text) throw Refuse("an array of texts");
        string[] texts = new string[Count];
        GgufCursor cursor = new(_file, _offset);
        for (int i = 0; i < texts.Length; i++) texts[i] = cursor.Text(_key, int.MaxValue);
        return texts;
    }

    /// <summary>All numbers of an array of single precision.</summary>
    /// <exception cref="InvalidDataException">The value is no such array.</exception>
    public float[] AsSingles()
    {
        if (!IsArray || _type != GgufValueType.Float32) throw Refuse("an array of single-precision numbers");
        float[] numbers = new float[Count];
        GgufCursor cursor = new(_file, _offset);
        for (int i = 0; i < numbers.Length; i++) numbers[i] = BinaryPrimitives.ReadSingleLittleEndian(cursor.Bytes(sizeof(float), _key));
        return numbers;
    }

    /// <summary>All numbers of an array of 32-bit integers.</summary>
    /// <exception cref="InvalidDataException">The value is no such array.</exception>
    public int[] AsIntegers()
    {
        if (!IsArray || _type is not (GgufValueType.Int32 or GgufValueType.UInt32)) throw Refuse("an array of 32-bit whole numbers");
        int[] numbers = new int[Count];
        GgufCursor cursor = new(_file, _offset);
        for (int i = 0; i < numbers.Length; i++) numbers[i] = BinaryPrimitives.ReadInt32LittleEndian(cursor.Bytes(sizeof(int), _key));
        return numbers;
    }

    /// <summary>An error about this entry.</summary>
    [SuppressMessage("Design", "CA1024:Use properties where appropriate", Justification = "An error to throw is no property.")]
    internal InvalidDataException Refuse(string wanted, string? found = null) =>
        Invalid($"holds {found ?? (IsArray ? $"an array of {_type}" : $"{_type}")} where {wanted} is wanted");

    /// <summary>An error about this entry, in other words.</summary>
    internal InvalidDataException Invalid(string message) => _file.InvalidData(_offset, $"'{_key}' {message}");

    /// <summary>Whether another entry says the same.</summary>
    internal bool SaysTheSameAs(GgufValue other)
    {
        const int Piece = 1 << 20;
        if ((_type, IsArray, Count, _length) != (other._type, other.IsArray, other.Count, other._length)) return false;
        for (long at = 0; at < _length; at += Piece)
        {
            int count = (int)Math.Min(Piece, _length - at);
            if (!_file.Bytes(_offset + at, count).SequenceEqual(other._file.Bytes(other._offset + at, count))) return false;
        }
        return true;
    }

    /// <summary>Whether there are only numbers, and all of one kind; yes is 1 and no is 0.</summary>
    internal bool HoldsOnly(Predicate<double> kind)
    {
        for (long i = 0, size = GgufCursor.Size(_type); i < Count; i++)
        {
            if (!TryNumber(_file.Bytes(_offset + (i * size), (int)size), out double number) || !kind(number)) return false;
        }
        return true;
    }

    /// <summary>The value as messages show it: short, without characters that a terminal obeys.</summary>
    public override string ToString()
    {
        if (IsArray) return $"an array of {Count} x {_type}";
        if (_type == GgufValueType.Text)
        {
            const int Longest = 40;
            string text = AsText();
            return $"'{string.Concat(text.Take(Longest).Select(static c => char.IsControl(c) ? '?' : c))}{(text.Length > Longest ? "..." : "")}'";
        }
        TryNumber(_file.Bytes(_offset, GgufCursor.Size(_type)), out double number);
        return _type switch
        {
            GgufValueType.Boolean => number != 0 ? "yes" : "no",
            GgufValueType.Float32 => ((float)number).ToString("R", CultureInfo.InvariantCulture),
            _ => number.ToString("R", CultureInfo.InvariantCulture),
        };
    }

    private bool TryNumber(ReadOnlySpan<byte> bytes, out double number)
    {
        number = _type switch
        {
            GgufValueType.Boolean => bytes[0] != 0 ? 1 : 0,
            GgufValueType.Float32 => BinaryPrimitives.ReadSingleLittleEndian(bytes),
            GgufValueType.Float64 => BinaryPrimitives.ReadDoubleLittleEndian(bytes),
            _ => TryWhole(bytes, out long whole) ? whole : double.NaN,
        };
        return _type != GgufValueType.Text;
    }

    private bool TryWhole(ReadOnlySpan<byte> bytes, out long number)
    {
        number = 0;
        switch (_type)
        {
            case GgufValueType.UInt8: number = bytes[0]; return true;
            case GgufValueType.Int8: number = (sbyte)bytes[0]; return true;
            case GgufValueType.UInt16: number = BinaryPrimitives.ReadUInt16LittleEndian(bytes); return true;
            case GgufValueType.Int16: number = BinaryPrimitives.ReadInt16LittleEndian(bytes); return true;
            case GgufValueType.UInt32: number = BinaryPrimitives.ReadUInt32LittleEndian(bytes); return true;
            case GgufValueType.Int32: number = BinaryPrimitives.ReadInt32LittleEndian(bytes); return true;
            case GgufValueType.Int64: number = BinaryPrimitives.ReadInt64LittleEndian(bytes); return true;
            case GgufValueType.UInt64: number = (long)ulong.Min(BinaryPrimitives.ReadUInt64LittleEndian(bytes), long.MaxValue); return true;
            default: return false;
        }
    }
}
