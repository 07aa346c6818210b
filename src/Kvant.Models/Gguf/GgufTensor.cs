using Kvant.Models.Formats;

namespace Kvant.Models.Gguf;

/// <summary>Where a tensor lies in an open <see cref="GgufFile"/> and how its numbers are stored.</summary>
public sealed class GgufTensor
{
    internal GgufTensor(string name, TensorFormat format, long[] shape, long offset, long byteLength)
    {
        Name = name;
        Format = format;
        Shape = shape;
        Offset = offset;
        ByteLength = byteLength;
    }

    /// <summary>The tensor's name, unique in its file.</summary>
    public string Name { get; }

    /// <summary>How the numbers are stored.</summary>
    public TensorFormat Format { get; }

    /// <summary>The dimensions, fastest first, as ggml writes them: the length of a row comes first.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>Where the first byte lies, counted from the start of the file, or of the part of a split one.</summary>
    public long Offset { get; internal set; }

    /// <summary>The part in which the bytes lie, from 0.</summary>
    internal int Part { get; set; }

    /// <summary>How many bytes the tensor takes.</summary>
    public long ByteLength { get; }

    /// <summary>Name, format and shape in one line, for messages.</summary>
    public override string ToString() => $"{Name} {Format.Name} [{string.Join(", ", Shape)}]";
}
