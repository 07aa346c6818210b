using System.Diagnostics.CodeAnalysis;

namespace Kvant.Models.Gguf;

/// <summary>
/// A GGUF file (version 3), mapped into memory for reading: a model's weights and everything that is known about them. A file that was split into
/// parts (<c>NAME-00001-of-00003.gguf</c>) is one: opening any part opens all.
/// The reader is strict: names are unique, tensors lie inside the file and do not overlap, and nothing read is trusted as a size.
/// Any number of threads may read at once; the file must not be changed in place while it is open.
/// </summary>
public sealed class GgufFile : IDisposable
{
    private readonly GgufParts _parts;

    private GgufFile(string path)
    {
        Path = path;
        _parts = GgufParts.Open(path);
    }

    /// <summary>The file's path as it was given: that of one part, if there are several.</summary>
    public string Path { get; }

    /// <summary>The paths of all parts in their order; one path, if the file was not split.</summary>
    public IReadOnlyList<string> Paths => _parts.Paths;

    /// <summary>What is known about the model, by key.</summary>
    public IReadOnlyDictionary<string, GgufValue> Metadata => _parts.Metadata;

    /// <summary>All tensors in the order of their bytes.</summary>
    public IReadOnlyList<GgufTensor> Tensors => _parts.Tensors;

    /// <summary>Opens a file, with all its parts, and checks its whole header.</summary>
    /// <exception cref="InvalidDataException">The file is no valid GGUF file of version 3, or its parts do not belong together; the message says where.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public static GgufFile Open(string path) => new(path);

    /// <summary>Looks an entry of the metadata up.</summary>
    public bool TryGetValue(string key, [NotNullWhen(true)] out GgufValue? value) => _parts.Metadata.TryGetValue(key, out value);

    /// <summary>The entry of the metadata with that key.</summary>
    /// <exception cref="InvalidDataException">The file has no such entry.</exception>
    public GgufValue Value(string key) => TryGetValue(key, out GgufValue? value) ? value : throw Missing($"the metadata '{key}'");

    /// <summary>Looks a tensor up by name.</summary>
    public bool TryGetTensor(string name, [NotNullWhen(true)] out GgufTensor? tensor) => _parts.ByName.TryGetValue(name, out tensor);

    /// <summary>The tensor of that name.</summary>
    /// <exception cref="InvalidDataException">The file has no such tensor.</exception>
    public GgufTensor Tensor(string name) => TryGetTensor(name, out GgufTensor? tensor) ? tensor : throw Missing($"the tensor '{name}'");

    /// <summary>Some bytes of a tensor, without a copy. The span must not be used after <see cref="Dispose"/>.</summary>
    /// <param name="tensor">A tensor of this file.</param>
    /// <param name="offset">The first byte, counted from the start of the tensor.</param>
    /// <param name="count">How many bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The bytes do not lie inside the tensor.</exception>
    /// <exception cref="ObjectDisposedException">The file was closed.</exception>
    public ReadOnlySpan<byte> Bytes(GgufTensor tensor, long offset, int count)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, tensor.ByteLength - count);
        return _parts.Bytes(tensor.Part, tensor.Offset + offset, count);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _parts.Dispose();

    private InvalidDataException Missing(string what) => new($"{Path}: {what} is missing");
}
