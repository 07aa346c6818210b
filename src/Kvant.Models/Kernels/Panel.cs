using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Kvant.Kernels;
using Kvant.Models.Formats;

namespace Kvant.Models.Kernels;

/// <summary>A few rows of a matrix, laid out so that lanes are rows, a piece of some columns at a time: small enough for the first-level cache,
/// where many vectors meet it.</summary>
/// <remarks>Codes are words, two columns beside each other in a lane: [pair of columns, row, 2]. Scales and shifts are [run or half of one, row].
/// Numbers that are no codes are floats: [column, row]. One thread at a time.</remarks>
internal sealed class Panel
{
    /// <summary>Columns of a piece, a multiple of every format's block.</summary>
    internal const int Columns = 256;

    /// <summary>Vectors that meet the panel together.</summary>
    internal const int Vectors = 4;

    private const int Runs = Columns / RoundedVectors.Run;

    private readonly float[] _piece;
    private readonly float[] _scales;
    private readonly float[] _shifts;
    private readonly float[] _row = new float[Columns];
    private float[] _sums = [];

    /// <summary>An empty panel for registers of a width.</summary>
    internal Panel(SimdWidth width)
    {
        Width = width;
        // Two registers of rows; without registers any number will do.
        Rows = Math.Max((int)width, 128) / 32 * 2;
        (_piece, _scales, _shifts) = (new float[Columns * Rows], new float[2 * Runs * Rows], new float[Runs * Rows]);
    }

    /// <summary>Rows of a panel.</summary>
    internal int Rows { get; }

    internal SimdWidth Width { get; }

    internal ref float Piece => ref MemoryMarshal.GetArrayDataReference(_piece);

    internal ref float Scales => ref MemoryMarshal.GetArrayDataReference(_scales);

    internal ref float Shifts => ref MemoryMarshal.GetArrayDataReference(_shifts);

    /// <summary>What adds up, piece by piece: [vector, row], with room for vectors that fill the last few.</summary>
    internal ref float Sums => ref MemoryMarshal.GetArrayDataReference(_sums);

    /// <summary>Begins the product of rows with so many vectors.</summary>
    internal void Begin(int vectors)
    {
        int length = (vectors + Vectors - 1) / Vectors * Vectors * Rows;
        if (_sums.Length < length) _sums = new float[length];
        else _sums.AsSpan(0, length).Clear();
    }

    /// <summary>Copies what was added up: products[vector * stride + row] for the first rows.</summary>
    internal void CopyTo(Span<float> products, int stride, int rows, int vectors)
    {
        for (int vector = 0; vector < vectors; vector++) _sums.AsSpan(vector * Rows, rows).CopyTo(products[(vector * stride)..]);
    }

    /// <summary>Takes a piece of a row of codes.</summary>
    /// <param name="row">Which.</param>
    /// <param name="blocks">The first block.</param>
    /// <param name="runs">Runs of the piece.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal void TakeCodes<TFormat>(int row, ref byte blocks, int runs)
        where TFormat : struct, ICodeFormat
    {
        ref float scales = ref _row[0], shifts = ref _row[2 * Runs];
        TFormat.ReadScales(ref blocks, runs, ref scales, ref shifts);
        for (int i = 0; i < runs * TFormat.ScalesPerRun; i++) _scales[(i * Rows) + row] = Unsafe.Add(ref scales, i);
        for (int i = 0; TFormat.HasShifts && i < runs; i++) _shifts[(i * Rows) + row] = Unsafe.Add(ref shifts, i);
        Vector256<short> offset = Vector256.Create(TFormat.Offset);
        for (int run = 0; run < runs; run++)
        {
            RunCodes codes = TFormat.ReadCodes(ref blocks, run);
            Scatter((codes.First - offset).AsSingle(), 2 * run, row);
            Scatter((codes.Last - offset).AsSingle(), (2 * run) + 1, row);
        }
    }

    /// <summary>Takes a piece of a row of numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal void TakeNumbers(int row, ReadOnlySpan<byte> blocks, int columns, TensorFormat format)
    {
        format.Dequantize(blocks, _row.AsSpan(0, columns));
        ref float to = ref _piece[row];
        foreach (float number in _row.AsSpan(0, columns))
        {
            to = number;
            to = ref Unsafe.Add(ref to, Rows);
        }
    }

    // Eight lanes of 32 bits, one below the other.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Scatter(Vector256<float> lanes, int half, int row)
    {
        ref float to = ref Unsafe.Add(ref Piece, (half * 8 * Rows) + row);
        for (int i = 0; i < 8; i++) Unsafe.Add(ref to, i * Rows) = lanes[i];
    }
}
