using System.Runtime.InteropServices;

namespace Kvant.Formats;

/// <summary>
/// An array of numbers in NumPy's npy format (versions 1 to 3), mapped into memory for reading: rows of equally many
/// numbers, stored as <c>&lt;f4</c>, <c>&lt;f2</c> or <c>|u1</c> in C order. A one-dimensional array is a single row.
/// The reader is strict: other types and orders are refused, and the data must have exactly the length that the header
/// says. Any number of threads may read at once.
/// </summary>
internal sealed class NpyFile : IDisposable
{
    private readonly MappedFile _file;
    private readonly NpyHeader _header;

    private NpyFile(MappedFile file)
    {
        _file = file;
        _header = NpyHeader.Parse(file);
    }

    /// <summary>How many rows there are.</summary>
    public long Rows => _header.Rows;

    /// <summary>How many numbers a row has, at least 1.</summary>
    public int Columns => _header.Columns;

    /// <summary>How a number is stored: F32, F16 or U8.</summary>
    public ElementType ElementType => _header.ElementType;

    /// <summary>Opens a file and checks its header.</summary>
    /// <exception cref="InvalidDataException">The file is not npy, or of a kind that is not supported.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public static NpyFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        MappedFile file = new(path);
        try
        {
            return new NpyFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Writes rows of single-precision numbers as npy version 1; the file appears whole or not at all.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="rows">How many rows.</param>
    /// <param name="columns">How many numbers a row has, at least 1.</param>
    /// <param name="values">rows x columns numbers, row after row.</param>
    /// <exception cref="ArgumentException">The number of values is not rows x columns.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Write(string path, int rows, int columns, ReadOnlySpan<float> values)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1);
        if (values.Length != (long)rows * columns) throw new ArgumentException($"{values.Length} values found, {rows} x {columns} = {(long)rows * columns} wanted", nameof(values));
        ElementTypes.RequireLittleEndian();
        const int Piece = 1 << 20;
        using AtomicFile file = AtomicFile.Create(path);
        file.Stream.Write(NpyHeader.Format(rows, columns));
        while (!values.IsEmpty)
        {
            int count = Math.Min(Piece, values.Length);
            file.Stream.Write(MemoryMarshal.AsBytes(values[..count]));
            values = values[count..];
        }
        file.Commit();
    }

    /// <summary>Reads whole rows in single precision; bytes become 0 to 255.</summary>
    /// <param name="firstRow">The first row to read.</param>
    /// <param name="destination">Is filled; its length is a multiple of <see cref="Columns"/>.</param>
    /// <exception cref="ArgumentException">The length is no multiple of <see cref="Columns"/>.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The rows do not lie inside the file.</exception>
    /// <exception cref="ObjectDisposedException">The file was closed.</exception>
    public void ReadRows(long firstRow, Span<float> destination)
    {
        if (destination.Length % Columns != 0) throw new ArgumentException($"{destination.Length} numbers found, a multiple of {Columns} wanted", nameof(destination));
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(firstRow, Rows - (destination.Length / Columns));
        _file.ReadSingles(ElementType, _header.DataStart + (firstRow * Columns * ElementType.Size()), destination);
    }

    /// <summary>Closes the file. May be called twice.</summary>
    public void Dispose() => _file.Dispose();
}
