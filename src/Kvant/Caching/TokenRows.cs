using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Kvant.Caching;

/// <summary>
/// Queries, keys or values of some tokens as a caller holds them: floats, halves or bfloat16, one token behind the other or with a stride, so that they are read
/// where they lie in a larger buffer. Spans and arrays convert by themselves.
/// </summary>
public readonly ref struct TokenRows
{
    private readonly ReadOnlySpan<byte> _bytes;
    private readonly Kind _kind;
    private readonly int _stride; // 0: as wide as a token is

    /// <summary>Floats.</summary>
    /// <param name="numbers">From the first number of the first token on.</param>
    /// <param name="stride">Numbers from where a token begins to where the next does; 0 if they follow each other without gaps.</param>
    /// <exception cref="ArgumentOutOfRangeException">The stride is negative.</exception>
    public TokenRows(ReadOnlySpan<float> numbers, int stride = 0)
        : this(MemoryMarshal.AsBytes(numbers), Kind.Single, stride)
    {
    }

    /// <summary>Numbers in half precision.</summary>
    /// <inheritdoc cref="TokenRows(ReadOnlySpan{float}, int)"/>
    public TokenRows(ReadOnlySpan<Half> numbers, int stride = 0)
        : this(MemoryMarshal.AsBytes(numbers), Kind.Half, stride)
    {
    }

    private TokenRows(ReadOnlySpan<byte> bytes, Kind kind, int stride)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(stride);
        _bytes = bytes;
        (_kind, _stride) = (kind, stride);
    }

    private enum Kind : byte
    {
        Single,
        Half,
        BFloat16,
    }

    /// <summary>Whether there is nothing.</summary>
    public bool IsEmpty => _bytes.IsEmpty;

    private int Size => _kind == Kind.Single ? sizeof(float) : sizeof(ushort);

    /// <summary>bfloat16 numbers, each the upper half of a 32-bit float.</summary>
    /// <inheritdoc cref="TokenRows(ReadOnlySpan{float}, int)"/>
    public static TokenRows BFloat16(ReadOnlySpan<ushort> numbers, int stride = 0) => new(MemoryMarshal.AsBytes(numbers), Kind.BFloat16, stride);

    /// <summary>Floats without gaps.</summary>
    /// <param name="numbers">All of them.</param>
    public static implicit operator TokenRows(ReadOnlySpan<float> numbers) => new(numbers);

    /// <inheritdoc cref="op_Implicit(ReadOnlySpan{float})"/>
    public static implicit operator TokenRows(Span<float> numbers) => new(numbers);

    /// <inheritdoc cref="op_Implicit(ReadOnlySpan{float})"/>
    public static implicit operator TokenRows(float[]? numbers) => new(numbers.AsSpan());

    /// <summary>Halves without gaps.</summary>
    /// <param name="numbers">All of them.</param>
    public static implicit operator TokenRows(ReadOnlySpan<Half> numbers) => new(numbers);

    /// <inheritdoc cref="op_Implicit(ReadOnlySpan{Half})"/>
    public static implicit operator TokenRows(Span<Half> numbers) => new(numbers);

    /// <inheritdoc cref="op_Implicit(ReadOnlySpan{Half})"/>
    public static implicit operator TokenRows(Half[]? numbers) => new(numbers.AsSpan());

    /// <summary>How many tokens there are.</summary>
    /// <param name="heads">Heads of a token; there may be so many that no array holds the numbers of one.</param>
    /// <param name="dimension">Numbers of a head.</param>
    /// <param name="name">The argument that a message names.</param>
    /// <exception cref="ArgumentException">A part of one is left over, or tokens overlap.</exception>
    internal int Count(int heads, int dimension, string name)
    {
        long width = (long)heads * dimension;
        int length = _bytes.Length / Size;
        if (_stride == 0)
        {
            return length % width == 0 ? (int)(length / width)
                : throw new ArgumentException($"The length is {length}; it must be a multiple of {width}, the numbers of a token.", name);
        }

        if (_stride < width)
            throw new ArgumentException($"The stride is {_stride}; a token has {width} numbers.", name);
        if (length == 0)
            return 0;
        int count = ((length - 1) / _stride) + 1, start = (count - 1) * _stride;
        return length - start == width || length - start == _stride ? count
            : throw new ArgumentException($"The length is {length}; {count} tokens of {width} numbers with a stride of {_stride} take {(long)start + width}.", name);
    }

    /// <summary>A token as floats: where it lies if it is such, else in the scratch.</summary>
    internal ReadOnlySpan<float> Token(int index, int width, Span<float> scratch)
    {
        ReadOnlySpan<byte> bytes = _bytes.Slice(checked(index * (_stride == 0 ? width : _stride) * Size), width * Size);
        if (_kind == Kind.Single)
            return MemoryMarshal.Cast<byte, float>(bytes);
        scratch = scratch[..width];
        Widen(bytes, scratch);
        return scratch;
    }

    /// <summary>Some tokens as floats without gaps.</summary>
    internal void CopyTo(int first, int count, int width, Span<float> floats)
    {
        if (_kind == Kind.Single && _stride == 0)
        {
            MemoryMarshal.Cast<byte, float>(_bytes).Slice(first * width, count * width).CopyTo(floats);
            return;
        }

        for (int i = 0; i < count; i++)
            Token(first + i, width, floats.Slice(i * width, width)).CopyTo(floats.Slice(i * width, width));
    }

    private void Widen(ReadOnlySpan<byte> bytes, Span<float> floats)
    {
        if (_kind == Kind.Half)
        {
            TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(bytes), floats);
            return;
        }

        Span<uint> bits = MemoryMarshal.Cast<float, uint>(floats);
        TensorPrimitives.ConvertTruncating(MemoryMarshal.Cast<byte, ushort>(bytes), bits);
        TensorPrimitives.ShiftLeft<uint>(bits, 16, bits);
    }
}
