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

    /// <summary>Takes a piece of as many rows as a register has lanes, which lie beside each other already.</summary>
    /// <param name="first">The first of the rows: 0, or the lanes of a register.</param>
    /// <param name="piece">Of a <see cref="Bundle"/> for registers of the same width.</param>
    /// <param name="runs">Runs of the piece.</param>
    internal void TakeBundle<TFormat>(int first, ref byte piece, int runs)
        where TFormat : struct, ICodeFormat
    {
        switch (Width)
        {
            case SimdWidth.Bits512: TakeBundle<TFormat, Vector512<float>, PanelSimd512>(first, ref piece, runs); break;
            case SimdWidth.Bits256: TakeBundle<TFormat, Vector256<float>, PanelSimd256>(first, ref piece, runs); break;
            default: TakeBundle<TFormat, Vector128<float>, PanelSimd128>(first, ref piece, runs); break;
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

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void TakeBundle<TFormat, TVector, TSimd>(int first, ref byte piece, int runs)
        where TFormat : struct, ICodeFormat
        where TVector : struct
        where TSimd : IPanelSimd<TVector>
    {
        int lanes = TSimd.Lanes, rows = Rows, factors = BundleShape<TFormat>.Factors * lanes * sizeof(short);
        ref byte units = ref Unsafe.Add(ref piece, BundleShape<TFormat>.UnitsAt(runs, lanes)), codes = ref Unsafe.Add(ref piece, BundleShape<TFormat>.CodesAt(runs, lanes));
        ref byte shiftUnits = ref Unsafe.Add(ref units, runs * TFormat.ScalesPerRun * lanes);
        ref float words = ref Unsafe.Add(ref Piece, first), scales = ref Unsafe.Add(ref Scales, first), shifts = ref Unsafe.Add(ref Shifts, first);
        for (int run = 0; run < runs; run++)
        {
            for (int scale = 0; scale < TFormat.ScalesPerRun; scale++)
            {
                TSimd.Store(Scaled(ref piece, ref units), ref scales);
                scales = ref Unsafe.Add(ref scales, rows);
                units = ref Unsafe.Add(ref units, lanes);
            }

            if (TFormat.HasShifts)
            {
                TSimd.Store(Scaled(ref Unsafe.Add(ref piece, lanes * sizeof(short)), ref shiftUnits), ref shifts);
                shifts = ref Unsafe.Add(ref shifts, rows);
                shiftUnits = ref Unsafe.Add(ref shiftUnits, lanes);
            }

            if (TFormat.BlockLength == RoundedVectors.Run) piece = ref Unsafe.Add(ref piece, factors);
            Take(BundleCodes.Read<TFormat, TVector, TSimd>(ref codes, 0, 0), ref words, rows);
            Take(BundleCodes.Read<TFormat, TVector, TSimd>(ref codes, 0, 1), ref Unsafe.Add(ref words, 4 * rows), rows);
            Take(BundleCodes.Read<TFormat, TVector, TSimd>(ref codes, 1, 0), ref Unsafe.Add(ref words, 8 * rows), rows);
            Take(BundleCodes.Read<TFormat, TVector, TSimd>(ref codes, 1, 1), ref Unsafe.Add(ref words, 12 * rows), rows);
            words = ref Unsafe.Add(ref words, 16 * rows);
            codes = ref Unsafe.Add(ref codes, BundleShape<TFormat>.RunBytes(lanes));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static TVector Scaled(ref byte factor, ref byte unit) =>
            BundleShape<TFormat>.Units == 0 ? TSimd.LoadHalves(ref factor) : TSimd.Multiply(TSimd.LoadHalves(ref factor), TSimd.LoadUnits(ref unit));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static void Take(Four<TVector> quarter, ref float to, int rows)
        {
            TSimd.Store(Centered(quarter.A), ref to);
            TSimd.Store(Centered(quarter.B), ref Unsafe.Add(ref to, rows));
            TSimd.Store(Centered(quarter.C), ref Unsafe.Add(ref to, 2 * rows));
            TSimd.Store(Centered(quarter.D), ref Unsafe.Add(ref to, 3 * rows));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static TVector Centered(TVector codes) => TFormat.Offset - TFormat.Least == 0 ? codes : TSimd.Subtract(codes, (short)(TFormat.Offset - TFormat.Least));
    }

    // Eight lanes of 32 bits, one below the other.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Scatter(Vector256<float> lanes, int half, int row)
    {
        ref float to = ref Unsafe.Add(ref Piece, (half * 8 * Rows) + row);
        for (int i = 0; i < 8; i++) Unsafe.Add(ref to, i * Rows) = lanes[i];
    }
}
