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

    internal MappedFile(string path)
    {
        if (!BitConverter.IsLittleEndian) throw new PlatformNotSupportedException("the file formats are little endian and so must the machine be");
        Path = path;
        using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        if (!stream.CanSeek) throw new InvalidDataException($"{path}: not a regular file");
        Length = stream.Length;
        if (Length == 0) throw InvalidData(0, "the file is empty");
        _map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        _view = _map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        _handle = _view.SafeMemoryMappedViewHandle;
        byte* start = null;
        _handle.AcquirePointer(ref start);
        _start = start;
    }

    internal string Path { get; }

    internal long Length { get; }

    /// <summary>Bytes of the file; they may be read until <see cref="Dispose"/>.</summary>
    internal ReadOnlySpan<byte> Bytes(long offset, int count)
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

    internal InvalidDataException InvalidData(long offset, string message, Exception? cause = null) =>
        new($"{Path}: {message} (at byte {offset})", cause);

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        _handle.ReleasePointer();
        _view.Dispose();
        _map.Dispose();
    }
}
