using System.Buffers.Binary;

namespace Kvant.Formats;

/// <summary>
/// Writes a safetensors file: the tensors are declared first, then their bytes are streamed in that order. The same
/// declarations and bytes give the same file. The file appears whole on <see cref="Commit"/> or not at all.
/// </summary>
/// <example>
/// <code>
/// using SafetensorsWriter writer = SafetensorsWriter.Create(path, [new TensorDeclaration("a", ElementType.U8, 3)]);
/// writer.Write([1, 2, 3]);
/// writer.Commit();
/// </code>
/// </example>
internal sealed class SafetensorsWriter : IDisposable
{
    private readonly AtomicFile _file;
    private readonly IReadOnlyList<TensorDeclaration> _tensors;
    private int _current = -1;
    private long _left;
    private bool _failed;

    private SafetensorsWriter(AtomicFile file, IReadOnlyList<TensorDeclaration> tensors, byte[] header)
    {
        _file = file;
        _tensors = tensors;
        WriteHeader(header);
        MoveToNextTensor();
    }

    /// <summary>The tensor whose bytes come next, or null when all are written.</summary>
    public TensorDeclaration? Current => _current < _tensors.Count ? _tensors[_current] : null;

    /// <summary>Begins a file.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="tensors">What will be written, in this order.</param>
    /// <param name="metadata">Strings about the file, written in their order of enumeration.</param>
    /// <exception cref="ArgumentException">A name or shape cannot be written.</exception>
    /// <exception cref="IOException">The file cannot be created.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written.</exception>
    public static SafetensorsWriter Create(string path, IReadOnlyList<TensorDeclaration> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        return Create(() => AtomicFile.Create(path), tensors, metadata);
    }

    internal static SafetensorsWriter Create(Func<AtomicFile> create, IReadOnlyList<TensorDeclaration> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        ElementTypes.RequireLittleEndian();
        byte[] header = SafetensorsHeaderWriter.Format(metadata, tensors);
        AtomicFile file = create();
        try
        {
            return new SafetensorsWriter(file, tensors, header);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Writes the next bytes of the current tensor; a tensor may come in any number of parts.</summary>
    /// <exception cref="InvalidOperationException">The bytes reach past the end of the current tensor.</exception>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty) return;
        if (bytes.Length > _left)
        {
            _failed = true;
            throw new InvalidOperationException($"{bytes.Length} bytes do not fit: {(Current is { } tensor ? $"'{tensor.Name}' takes {_left} more" : "all tensors are complete")}");
        }
        _file.Stream.Write(bytes);
        _left -= bytes.Length;
        if (_left == 0) MoveToNextTensor();
    }

    /// <summary>Puts the complete file in its place.</summary>
    /// <exception cref="InvalidOperationException">Bytes are missing or an earlier write failed; no file is left.</exception>
    /// <exception cref="IOException">The file could not be flushed or renamed.</exception>
    public void Commit()
    {
        if (_failed || Current is not null)
        {
            string missing = Current is { } tensor ? $"'{tensor.Name}' lacks {_left} bytes" : "an earlier write failed";
            Dispose();
            throw new InvalidOperationException($"the file is not complete: {missing}");
        }
        _file.Commit();
    }

    /// <summary>Removes the temporary file unless it was committed. May be called twice.</summary>
    public void Dispose() => _file.Dispose();

    private void WriteHeader(byte[] header)
    {
        Span<byte> length = stackalloc byte[SafetensorsHeader.Start];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.Length);
        _file.Stream.Write(length);
        _file.Stream.Write(header);
    }

    private void MoveToNextTensor()
    {
        do
        {
            _current++;
            _left = Current?.ByteLength() ?? 0;
        }
        while (_left == 0 && Current is not null);
    }
}
