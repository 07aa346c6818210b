using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Kvant.Attention;
using Kvant.Codecs;
using Kvant.Kernels;
using Kvant.Models.Kernels;

namespace Kvant.Models.Weights;

/// <summary>
/// Products of weight matrices with the vectors of one or many tokens, shared among a team of threads: each takes the next few rows until none are
/// left. For a few tokens the numbers of a row meet the vectors as they come out of their format; for many, four rows at a time are turned into single
/// precision, or in fast arithmetic a panel of rows is laid out anew, piece by piece, in memory that stays in the first-level cache. Either way memory moves only what the file stores.
/// One product at a time, a second one is refused; nothing is allocated by a call, unless there never were so many tokens.
/// </summary>
internal sealed class MatrixProduct
{
    // From so many tokens on, laying a panel out costs less than reading its rows again for each token.
    private const int FewestForPanel = 8;

    // Bytes that a thread takes at once for a few tokens: long against the taking, short against a product.
    private const int ChunkBytes = 1 << 15;

    // A thread takes this part of its share of what is left.
    private const int Parts = 3;

    private readonly WorkerTeam _team;
    private readonly Action<int> _share;
    private readonly int _mostColumns;
    private readonly RoundedVectors? _rounded;
    private readonly Scratch[] _scratch;
    private Turn _turn;
    private WeightMatrix? _matrix;
    private ReadOnlyMemory<float> _inputs;
    private Memory<float> _outputs;
    private int _tokens;
    private Taken _taken;

    /// <summary>Prepares the buffers.</summary>
    /// <param name="team">The threads that share the work.</param>
    /// <param name="mostColumns">The most columns of any matrix to come.</param>
    /// <param name="arithmetic">How codes of weights meet vectors: in floats, or in integers, with vectors rounded to 16 bits.</param>
    public MatrixProduct(WorkerTeam team, int mostColumns, Arithmetic arithmetic = Arithmetic.Exact)
        : this(team, mostColumns, arithmetic, SimdSupport.Widest)
    {
    }

    /// <summary>The same for registers of a given width: tests run them all.</summary>
    internal MatrixProduct(WorkerTeam team, int mostColumns, Arithmetic arithmetic, SimdWidth width)
    {
        ArgumentNullException.ThrowIfNull(team);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(mostColumns);
        _team = team;
        _mostColumns = mostColumns;
        _share = part => Multiply(_scratch![part]);
        _rounded = arithmetic == Arithmetic.Fast ? new RoundedVectors() : null;
        int floats = _rounded is null ? DotKernel.Rows * mostColumns : mostColumns / RoundedVectors.Run * RowProducts.ScratchPerRun;
        _scratch = [.. Enumerable.Range(0, team.Size).Select(_ => new Scratch(new float[floats], new Panel(width)))];
    }

    /// <summary>Whether many tokens meet a matrix as each would alone: what comes out has the same bits however many there are. Slower from
    /// a few tokens on; for guesses of which nobody may see that they were read together.</summary>
    public bool EachAlone { get; set; }

    // Multiplications that are worth waking other threads: some ten microseconds of work. Tests set it to 0.
    internal long FewestShared { get; init; } = 500_000;

    /// <summary>Multiplies.</summary>
    /// <param name="matrix">The weights, rows x columns.</param>
    /// <param name="inputs">The vectors: tokens x columns.</param>
    /// <param name="outputs">Receives tokens x rows.</param>
    /// <exception cref="ArgumentException">The lengths do not fit each other, or the matrix has more columns than was said.</exception>
    /// <exception cref="InvalidOperationException">Another product is in progress.</exception>
    public void Multiply(WeightMatrix matrix, ReadOnlyMemory<float> inputs, Memory<float> outputs)
    {
        ArgumentNullException.ThrowIfNull(matrix);
        int tokens = inputs.Length / matrix.Columns;
        if (inputs.Length != tokens * matrix.Columns || outputs.Length != (long)tokens * matrix.Rows)
            throw new ArgumentException($"{inputs.Length} inputs and {outputs.Length} outputs found; for a matrix of {matrix.Rows} x {matrix.Columns} wanted are tokens x {matrix.Columns} and tokens x {matrix.Rows}", nameof(inputs));
        if (matrix.Columns > _mostColumns)
            throw new ArgumentException($"the matrix has {matrix.Columns} columns, at most {_mostColumns} were announced", nameof(matrix));
        if (tokens == 0) return;
        using Turn.Taken turn = _turn.Take(this);
        if (matrix.Format.HasCodes) _rounded?.Round(inputs.Span, matrix.Columns);
        (_matrix, _inputs, _outputs, _tokens, _taken.Rows) = (matrix, inputs, outputs, tokens, 0);
        _team.Run(_share, alone: (long)matrix.Rows * inputs.Length < FewestShared);
        (_matrix, _inputs, _outputs) = (null, default, default);
    }

    private void Multiply(Scratch scratch)
    {
        WeightMatrix matrix = _matrix!;
        bool panel = _rounded is not null && _tokens >= FewestForPanel && !EachAlone;
        Bundle? bundle = _rounded is not null && matrix.Bundle?.Width == scratch.Panel.Width ? matrix.Bundle : null;
        // Whole groups of rows, so that only the last chunk has a group that is not full.
        int group = bundle?.Lanes ?? DotKernel.Rows, chunk = panel ? scratch.Panel.Rows : Math.Clamp(ChunkBytes / matrix.RowBytes / group, 1, 16) * group;
        int tokens = _tokens;
        Memory<float> outputs = _outputs;
        while (Take(matrix.Rows, chunk) is { Count: > 0 } part)
        {
            for (int first = part.First; first < part.First + part.Count; first += chunk)
            {
                int count = Math.Min(chunk, part.First + part.Count - first);
                Span<float> to = outputs.Span[first..];
                if (bundle is not null)
                {
                    if (panel) MultiplyPanel(matrix, bundle, first / group, count, scratch.Panel, to);
                    else matrix.Format.MultiplyBundle(bundle, first / group, count, _rounded!, to, matrix.Rows);
                    continue;
                }

                ReadOnlySpan<byte> rows = matrix.ReadRows(first, count);
                if (panel) MultiplyPanel(matrix, rows, count, scratch.Panel, to);
                else if (_rounded is not null && matrix.Format.HasCodes) matrix.Format.MultiplyRows(rows, count, _rounded, to, matrix.Rows, scratch.Floats, scratch.Panel.Width);
                else if (tokens == 1 || _rounded is not null || EachAlone) MultiplyRows(matrix, rows, count, to);
                else MultiplyGroups(matrix, rows, count, scratch.Floats, to);
            }
        }
    }

    // The next rows for whoever asks: a part of what is left that shrinks towards the end, so that threads read long stretches, meet at the counter
    // seldom, and end together all the same.
    private (int First, int Count) Take(int rows, int chunk)
    {
        while (true)
        {
            int first = Volatile.Read(ref _taken.Rows), left = rows - first;
            if (left <= 0) return default;
            int count = Math.Min(left, Math.Max(1, left / (Parts * _team.Size) / chunk) * chunk);
            if (Interlocked.CompareExchange(ref _taken.Rows, first + count, first) == first) return (first, count);
        }
    }

    private void MultiplyRows(WeightMatrix matrix, ReadOnlySpan<byte> rows, int count, Span<float> outputs)
    {
        ReadOnlySpan<float> inputs = _inputs.Span;
        for (int row = 0; row < count; row++)
        {
            for (int token = 0; token < _tokens; token++)
                outputs[(token * matrix.Rows) + row] = matrix.Format.Dot(rows.Slice(row * matrix.RowBytes, matrix.RowBytes), inputs.Slice(token * matrix.Columns, matrix.Columns));
        }
    }

    private void MultiplyGroups(WeightMatrix matrix, ReadOnlySpan<byte> rows, int count, Span<float> scratch, Span<float> outputs)
    {
        int columns = matrix.Columns;
        ReadOnlySpan<float> inputs = _inputs.Span;
        for (int row = 0; row < count; row += DotKernel.Rows)
        {
            int group = Math.Min(DotKernel.Rows, count - row), token = 0;
            for (int i = 0; i < group; i++) matrix.Format.Dequantize(rows.Slice((row + i) * matrix.RowBytes, matrix.RowBytes), scratch.Slice(i * columns, columns));
            if (group == DotKernel.Rows)
            {
                for (; token + DotKernel.Tokens <= _tokens; token += DotKernel.Tokens)
                {
                    DotKernel.Multiply(
                        scratch[..(group * columns)], inputs.Slice(token * columns, DotKernel.Tokens * columns),
                        outputs[((token * matrix.Rows) + row)..], outputs[(((token + 1) * matrix.Rows) + row)..]);
                }
            }
            for (; token < _tokens; token++)
            {
                for (int i = 0; i < group; i++)
                    outputs[(token * matrix.Rows) + row + i] = TensorPrimitives.Dot(scratch.Slice(i * columns, columns), inputs.Slice(token * columns, columns));
            }
        }
    }

    private void MultiplyPanel(WeightMatrix matrix, ReadOnlySpan<byte> rows, int count, Panel panel, Span<float> outputs)
    {
        if (matrix.Format.HasCodes) matrix.Format.MultiplyPanel(panel, rows, count, _rounded!);
        else
        {
            panel.Begin(_tokens);
            for (int first = 0; first < matrix.Columns; first += Panel.Columns)
            {
                int columns = Math.Min(Panel.Columns, matrix.Columns - first), offset = (int)matrix.Format.Bytes(first), bytes = (int)matrix.Format.Bytes(columns);
                for (int row = 0; row < count; row++) panel.TakeNumbers(row, rows.Slice((row * matrix.RowBytes) + offset, bytes), columns, matrix.Format);
                PanelProducts.AddNumbers(panel, _inputs.Span, matrix.Columns, first, columns);
            }
        }

        panel.CopyTo(outputs, matrix.Rows, count, _tokens);
    }

    private void MultiplyPanel(WeightMatrix matrix, Bundle bundle, int group, int count, Panel panel, Span<float> outputs)
    {
        matrix.Format.MultiplyPanel(panel, bundle, group, count, _rounded!);
        panel.CopyTo(outputs, matrix.Rows, count, _tokens);
    }

    // On a cache line that nothing else is on: all threads write it, and the fields beside it are read for every chunk.
    [StructLayout(LayoutKind.Explicit, Size = 128)]
    private struct Taken
    {
        [FieldOffset(64)]
        public int Rows;
    }

    private sealed record Scratch(float[] Floats, Panel Panel);
}
