using Kvant.Attention;
using Kvant.Kernels;
using Kvant.Models.Formats;
using Kvant.Models.Gguf;
using Kvant.Models.Kernels;

namespace Kvant.Models.Weights;

/// <summary>
/// A matrix of weights that stays in its file, in the format in which it is stored there. Rows are outputs, columns inputs.
/// It may be used until the file is closed, by any number of threads.
/// </summary>
internal sealed class WeightMatrix
{
    private readonly GgufFile _file;
    private readonly GgufTensor _tensor;
    private readonly int _firstRow;
    private readonly int _rowBytes;

    /// <summary>Looks at a tensor as a matrix.</summary>
    /// <param name="file">An open file.</param>
    /// <param name="tensor">A tensor of that file; where it has more than two dimensions, a matrix of all its rows.</param>
    /// <exception cref="InvalidDataException">The tensor has a row or column too long for an array.</exception>
    public WeightMatrix(GgufFile file, GgufTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(tensor);
        // Bytes of a row are counted in an int, and a product keeps a few rows in single precision.
        const int Longest = 1 << 26;
        long columns = tensor.Shape[0], rows = tensor.Shape.Skip(1).Aggregate(1L, static (all, one) => checked(all * one));
        if (columns > Longest || rows > int.MaxValue)
            throw new InvalidDataException($"{file.Path}: the tensor {tensor} is no matrix of at most {int.MaxValue} rows of at most {Longest} numbers");
        _file = file;
        _tensor = tensor;
        Rows = (int)rows;
        Columns = (int)columns;
        _rowBytes = (int)tensor.Format.Bytes(columns);
    }

    private WeightMatrix(WeightMatrix whole, int firstRow, int rows)
    {
        (_file, _tensor, _rowBytes, Columns) = (whole._file, whole._tensor, whole._rowBytes, whole.Columns);
        (_firstRow, Rows) = (whole._firstRow + firstRow, rows);
    }

    /// <summary>How many numbers a product gives.</summary>
    public int Rows { get; }

    /// <summary>How many numbers a product takes.</summary>
    public int Columns { get; }

    /// <summary>How the numbers are stored.</summary>
    public TensorFormat Format => _tensor.Format;

    /// <summary>Bytes of a row.</summary>
    internal int RowBytes => _rowBytes;

    /// <summary>Some of the rows, as a matrix of their own.</summary>
    /// <param name="firstRow">0 or more.</param>
    /// <param name="rows">How many, all of them in this matrix.</param>
    internal WeightMatrix Slice(int firstRow, int rows)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, Rows - firstRow);
        return new WeightMatrix(this, firstRow, rows);
    }

    /// <summary>A copy of it in which rows lie beside each other, once there is one.</summary>
    internal Bundle? Bundle { get; private set; }

    /// <summary>Makes the copy, where the format has codes.</summary>
    internal void MakeBundle(WorkerTeam team, SimdWidth width) => Bundle ??= Format.Bundle(this, team, width);

    /// <summary>Reads one row as single precision.</summary>
    /// <param name="row">0 to <see cref="Rows"/> - 1.</param>
    /// <param name="numbers">Receives <see cref="Columns"/> numbers.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    /// <exception cref="ArgumentException">The destination has another length.</exception>
    public void ReadRow(int row, Span<float> numbers)
    {
        if ((uint)row >= (uint)Rows) throw new ArgumentOutOfRangeException(nameof(row), row, $"the rows are 0 to {Rows - 1}");
        Format.Dequantize(Row(row), numbers);
    }

    /// <summary>The bytes of rows, one after the other.</summary>
    internal ReadOnlySpan<byte> ReadRows(int first, int count) => _file.Bytes(_tensor, ((long)_firstRow + first) * _rowBytes, count * _rowBytes);

    private ReadOnlySpan<byte> Row(int row) => _file.Bytes(_tensor, ((long)_firstRow + row) * _rowBytes, _rowBytes);
}
