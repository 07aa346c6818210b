using System.IO.MemoryMappedFiles;
using Microsoft.Win32.SafeHandles;

namespace Kvant.Formats;

/// <summary>
/// A whole file mapped into memory for reading. The only place of the readers that touches a pointer: every span it
/// hands out was checked against the file's length. The file must not shrink while it is open.
/// </summary>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile _map;
    private readonly MemoryMappedViewAccessor _view;
    private readonly SafeMemoryMappedViewHandle _handle;
    private readonly byte* _start;
    private int _disposed;

    /// <summary>Opens a file and maps all of it.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidDataException">The file is empty or no regular file.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public MappedFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ElementTypes.RequireLittleEndian();
        Path = path;
        using FileStream stream = OpenStream(path);
        Length = stream.Length;
        if (Length == 0) throw InvalidData(0, "the file is empty");
        _map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        _view = _map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        _handle = _view.SafeMemoryMappedViewHandle;
        byte* start = null;
        _handle.AcquirePointer(ref start);
        _start = start;
    }

    /// <summary>The file's path as it was given.</summary>
    public string Path { get; }

    /// <summary>The length of the whole file in bytes.</summary>
    public long Length { get; }

    /// <summary>Opens a regular file for reading from front to back or by position.</summary>
    internal static FileStream OpenStream(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        // .NET calls this a lack of permission.
        if (Directory.Exists(path)) throw new IOException($"{path} is a folder; a file is wanted");
        FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        if (stream.CanSeek) return stream;
        stream.Dispose();
        throw new InvalidDataException($"{path}: not a regular file");
    }

    /// <summary>Bytes of the file, without a copy; they may be read until <see cref="Dispose"/>.</summary>
    /// <param name="offset">The first byte, counted from the start of the file.</param>
    /// <param name="count">How many bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The bytes do not lie inside the file.</exception>
    /// <exception cref="ObjectDisposedException">The file was closed.</exception>
    public ReadOnlySpan<byte> Bytes(long offset, int count)
    {
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length - count);
        return new ReadOnlySpan<byte>(_start + offset, count);
    }

    /// <summary>Converts stored numbers, piece by piece because a span of bytes ends at 2 GiB.</summary>
    internal void ReadSingles(ElementType type, long offset, Span<float> destination)
    {
        const int Piece = 1 << 24;
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        bool held = false;
        // Held, so that a Dispose on another thread waits to unmap until the copy is done.
        _handle.DangerousAddRef(ref held);
        try
        {
            while (!destination.IsEmpty)
            {
                int count = Math.Min(Piece, destination.Length);
                ElementTypes.ToSingles(type, Bytes(offset, count * type.Size()), destination[..count]);
                offset += count * type.Size();
                destination = destination[count..];
            }
        }
        finally
        {
            _handle.DangerousRelease();
        }
    }

    /// <summary>An error that says what is wrong with the file's content, and where; the caller throws it.</summary>
    /// <param name="offset">The byte where it was found.</param>
    /// <param name="message">What was found and what was wanted.</param>
    /// <param name="cause">The error behind it, if there is one.</param>
    public InvalidDataException InvalidData(long offset, string message, Exception? cause = null) =>
        new($"{Path}: {message} (at byte {offset})", cause);

    /// <summary>Ends the mapping. May be called twice.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        _handle.ReleasePointer();
        _view.Dispose();
        _map.Dispose();
    }
}
