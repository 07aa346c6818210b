using System.Numerics.Tensors;
using Kvant.Attention;

namespace Kvant.Models.Weights;

/// <summary>
/// Products of weight matrices with the vectors of one or many tokens, shared among a team of threads by rows. For one token the
/// numbers of a row meet the vector as they come out of their format; for many, four rows at a time are turned into single precision, in a
/// buffer that stays in the cache. Either way memory moves only what the file stores.
/// One product at a time; nothing is allocated by a call.
/// </summary>
public sealed class MatrixProduct
{
    private readonly WorkerTeam _team;
    private readonly Action<int> _share;
    private readonly float[][] _scratch;
    private WeightMatrix? _matrix;
    private ReadOnlyMemory<float> _inputs;
    private Memory<float> _outputs;

    /// <summary>Prepares the buffers.</summary>
    /// <param name="team">The threads that share the work.</param>
    /// <param name="mostColumns">The most columns of any matrix to come.</param>
    public MatrixProduct(WorkerTeam team, int mostColumns)
    {
        ArgumentNullException.ThrowIfNull(team);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(mostColumns);
        _team = team;
        _share = part => Multiply(part, _team.Size);
        _scratch = new float[team.Size][];
        for (int i = 0; i < _scratch.Length; i++) _scratch[i] = new float[DotKernel.Rows * mostColumns];
    }

    // Multiplications that are worth waking other threads: some ten microseconds of work. Tests set it to 0.
    internal long FewestShared { get; init; } = 500_000;

    /// <summary>Multiplies.</summary>
    /// <param name="matrix">The weights, rows x columns.</param>
    /// <param name="inputs">The vectors: tokens x columns.</param>
    /// <param name="outputs">Receives tokens x rows.</param>
    /// <exception cref="ArgumentException">The lengths do not fit each other, or the matrix has more columns than was said.</exception>
    public void Multiply(WeightMatrix matrix, ReadOnlyMemory<float> inputs, Memory<float> outputs)
    {
        ArgumentNullException.ThrowIfNull(matrix);
        int tokens = inputs.Length / matrix.Columns;
        if (inputs.Length != tokens * matrix.Columns || outputs.Length != (long)tokens * matrix.Rows)
            throw new ArgumentException($"{inputs.Length} inputs and {outputs.Length} outputs found; for a matrix of {matrix.Rows} x {matrix.Columns} wanted are tokens x {matrix.Columns} and tokens x {matrix.Rows}", nameof(inputs));
        if (DotKernel.Rows * matrix.Columns > _scratch[0].Length)
            throw new ArgumentException($"the matrix has {matrix.Columns} columns, at most {_scratch[0].Length / DotKernel.Rows} were announced", nameof(matrix));
        if (tokens == 0) return;
        (_matrix, _inputs, _outputs) = (matrix, inputs, outputs);
        if ((long)matrix.Rows * inputs.Length < FewestShared) Multiply(0, 1);
        else _team.Run(_share);
        (_matrix, _inputs, _outputs) = (null, default, default);
    }

    private void Multiply(int part, int parts)
    {
        WeightMatrix matrix = _matrix!;
        // Whole groups of rows, so that only the last part has a group that is not full.
        int groups = (matrix.Rows + DotKernel.Rows - 1) / DotKernel.Rows;
        int first = (int)((long)groups * part / parts) * DotKernel.Rows;
        int last = Math.Min((int)((long)groups * (part + 1) / parts) * DotKernel.Rows, matrix.Rows);
        if (_inputs.Length == matrix.Columns) MultiplyOne(matrix, first, last);
        else MultiplyMany(matrix, first, last, _scratch[part]);
    }

    private void MultiplyOne(WeightMatrix matrix, int first, int last)
    {
        ReadOnlySpan<float> input = _inputs.Span;
        Span<float> output = _outputs.Span;
        for (int row = first; row < last; row++) output[row] = matrix.Dot(row, input);
    }

    private void MultiplyMany(WeightMatrix matrix, int first, int last, float[] scratch)
    {
        int columns = matrix.Columns, tokens = _inputs.Length / columns;
        ReadOnlySpan<float> inputs = _inputs.Span;
        Span<float> outputs = _outputs.Span;
        for (int row = first; row < last; row += DotKernel.Rows)
        {
            int rows = Math.Min(DotKernel.Rows, last - row);
            for (int i = 0; i < rows; i++) matrix.ReadRow(row + i, scratch.AsSpan(i * columns, columns));
            int token = 0;
            if (rows == DotKernel.Rows)
            {
                for (; token + DotKernel.Tokens <= tokens; token += DotKernel.Tokens)
                {
                    DotKernel.Multiply(
                        scratch.AsSpan(0, rows * columns), inputs.Slice(token * columns, DotKernel.Tokens * columns),
                        outputs[((token * matrix.Rows) + row)..], outputs[(((token + 1) * matrix.Rows) + row)..]);
                }
            }
            for (; token < tokens; token++)
            {
                for (int i = 0; i < rows; i++)
                    outputs[(token * matrix.Rows) + row + i] = TensorPrimitives.Dot(scratch.AsSpan(i * columns, columns), inputs.Slice(token * columns, columns));
            }
        }
    }
}
