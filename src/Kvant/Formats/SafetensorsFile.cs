using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;

namespace Kvant.Formats;

/// <summary>
/// A safetensors file, mapped into memory for reading: named tensors and a few strings about them.
/// The reader is strict: what it opens has one unambiguous meaning. Tensors cover the data without holes or overlap,
/// no name appears twice, every length agrees with every other, and nothing read from the file is trusted as a size.
/// Any number of threads may read at once; the file must not be changed in place while it is open.
/// </summary>
internal sealed class SafetensorsFile : IDisposable
{
    private readonly MappedFile _file;
    private readonly SafetensorsHeader _header;

    private SafetensorsFile(MappedFile file)
    {
        _file = file;
        _header = SafetensorsHeader.Parse(file, HeaderLength(file));
    }

    /// <summary>The file's path as it was given.</summary>
    public string Path => _file.Path;

    /// <summary>The length of the whole file in bytes.</summary>
    public long Length => _file.Length;

    /// <summary>The strings stored under <c>__metadata__</c>; empty if there are none.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>All tensors in the order of their bytes.</summary>
    public IReadOnlyList<TensorInfo> Tensors => _header.Tensors;

    /// <summary>Opens a file and checks its whole header.</summary>
    /// <exception cref="InvalidDataException">The file is no valid safetensors file; the message names the byte.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public static SafetensorsFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        MappedFile file = new(path);
        try
        {
            return new SafetensorsFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Looks a tensor up by name.</summary>
    public bool TryGetTensor(string name, [NotNullWhen(true)] out TensorInfo? tensor) => _header.ByName.TryGetValue(name, out tensor);

    /// <summary>The tensor of that name.</summary>
    /// <exception cref="InvalidDataException">The file has no such tensor.</exception>
    public TensorInfo Tensor(string name) =>
        TryGetTensor(name, out TensorInfo? tensor) ? tensor : throw new InvalidDataException($"{Path}: the tensor '{name}' is missing");

    /// <summary>All bytes of a tensor, without a copy. The span must not be used after <see cref="Dispose"/>.</summary>
    /// <exception cref="InvalidOperationException">The tensor is larger than a span can be (2 GiB).</exception>
    /// <exception cref="ObjectDisposedException">The file was closed.</exception>
    public ReadOnlySpan<byte> Bytes(TensorInfo tensor)
    {
        CheckOwn(tensor);
        if (tensor.ByteLength > int.MaxValue) throw new InvalidOperationException($"{tensor} has {tensor.ByteLength} bytes, a span holds at most {int.MaxValue}; read it in parts");
        return _file.Bytes(tensor.Offset, (int)tensor.ByteLength);
    }

    /// <summary>Some bytes of a tensor, without a copy. The span must not be used after <see cref="Dispose"/>.</summary>
    /// <param name="tensor">A tensor of this file.</param>
    /// <param name="offset">The first byte, counted from the start of the tensor.</param>
    /// <param name="count">How many bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The bytes do not lie inside the tensor.</exception>
    /// <exception cref="ObjectDisposedException">The file was closed.</exception>
    public ReadOnlySpan<byte> Bytes(TensorInfo tensor, long offset, int count)
    {
        CheckOwn(tensor);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, tensor.ByteLength - count);
        return _file.Bytes(tensor.Offset + offset, count);
    }

    /// <summary>Reads numbers of an F32, F16 or BF16 tensor in single precision.</summary>
    /// <param name="tensor">A tensor of this file.</param>
    /// <param name="firstElement">The index of the first number, counted over the whole tensor.</param>
    /// <param name="destination">Is filled.</param>
    /// <exception cref="ArgumentException">The tensor holds integers.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The numbers do not lie inside the tensor.</exception>
    /// <exception cref="ObjectDisposedException">The file was closed.</exception>
    public void ReadSingles(TensorInfo tensor, long firstElement, Span<float> destination)
    {
        CheckOwn(tensor);
        if (!tensor.ElementType.IsFloat()) throw new ArgumentException($"{tensor} holds integers; F32, F16 or BF16 is wanted", nameof(tensor));
        ArgumentOutOfRangeException.ThrowIfNegative(firstElement);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(firstElement, tensor.ElementCount - destination.Length);
        _file.ReadSingles(tensor.ElementType, tensor.Offset + (firstElement * tensor.ElementType.Size()), destination);
    }

    /// <summary>Closes the file. May be called twice.</summary>
    public void Dispose() => _file.Dispose();

    /// <summary>An error about a tensor's content, with the place in the file.</summary>
    internal InvalidDataException InvalidData(TensorInfo tensor, string message) => _file.InvalidData(tensor.Offset, $"{tensor.Name}: {message}");

    private static int HeaderLength(MappedFile file)
    {
        if (file.Length < SafetensorsHeader.Start) throw file.InvalidData(0, $"{file.Length} bytes are too few for a safetensors file");
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(file.Bytes(0, SafetensorsHeader.Start));
        if (length > SafetensorsHeader.LongestHeader) throw file.InvalidData(0, $"not a safetensors file: the header claims {length} bytes, at most {SafetensorsHeader.LongestHeader} are allowed");
        long remaining = file.Length - SafetensorsHeader.Start;
        if ((long)length > remaining) throw file.InvalidData(0, $"the header claims {length} bytes, the file has {remaining} left");
        return (int)length;
    }

    private void CheckOwn(TensorInfo tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!TryGetTensor(tensor.Name, out TensorInfo? own) || !ReferenceEquals(own, tensor))
            throw new ArgumentException($"the tensor '{tensor.Name}' was not taken from {Path}", nameof(tensor));
    }
}
