namespace Kvant.Formats;

/// <summary>Where a tensor lies in an open <see cref="SafetensorsFile"/> and what it holds.</summary>
internal sealed class TensorInfo
{
    internal TensorInfo(string name, ElementType elementType, long[] shape, long elementCount, long offset)
    {
        Name = name;
        ElementType = elementType;
        Shape = shape;
        ElementCount = elementCount;
        Offset = offset;
        ByteLength = elementCount * elementType.Size();
    }

    /// <summary>The tensor's name, unique in its file.</summary>
    public string Name { get; }

    /// <summary>How each number is stored.</summary>
    public ElementType ElementType { get; }

    /// <summary>The dimensions, slowest first; empty for a single number.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>How many numbers there are: the product of the dimensions.</summary>
    public long ElementCount { get; }

    /// <summary>Where the first byte lies, counted from the start of the file.</summary>
    public long Offset { get; }

    /// <summary>How many bytes the tensor takes in the file.</summary>
    public long ByteLength { get; }

    /// <summary>Name, type and shape in one line, for messages.</summary>
    public override string ToString() => $"{Name} {ElementType.Name()} [{string.Join(", ", Shape)}]";
}
