using System.Runtime.InteropServices;
using Kvant.Codebooks;
using Kvant.Kernels;
using Kvant.Memory;
using Kvant.Rotations;

namespace Kvant.Codecs;

/// <summary>
/// Codes rotated rows as paths: each number's level depends on its own code and on those before it, eight bits in all, so that 2^bits choices per number
/// reach 256 levels (Tseng et al., 2024, "QTIP", the bitshift trellis). The path visits a row in the order of <see cref="TrellisPath"/> and closes on itself: before
/// its first number come its last codes.
/// </summary>
internal sealed class TrellisQuantizer : IRowQuantizer
{
    /// <summary>Bits of a state: those of the codes that a level depends on.</summary>
    public const int StateBits = 8;

    // Scales below this are zero in fp16 by far; their inverse need not exist.
    private const float Nothing = 1e-30f;

    private readonly ScaleRule _rule;
    private readonly TrellisTable _table;
    private readonly int[] _path;

    /// <summary>A quantizer of rows.</summary>
    /// <param name="dimension">Numbers in a row; their codes fill a state at least.</param>
    /// <param name="bits">1 to 4.</param>
    /// <param name="rule">Which scale is stored.</param>
    /// <exception cref="ArgumentException">There is no such code.</exception>
    public TrellisQuantizer(int dimension, int bits, ScaleRule rule)
    {
        if (bits > TrellisTables.MaxBits)
            throw new ArgumentException($"the trellis code has 1 to {TrellisTables.MaxBits} bits, not {bits}.", nameof(bits));
        if (dimension < 3 || dimension * bits < StateBits)
        {
            throw new ArgumentException(
                $"a trellis of {bits} bits takes a dimension of at least {Math.Max(3, (StateBits + bits - 1) / bits)}, not {dimension}: the codes of a row fill a state of {StateBits} bits.",
                nameof(dimension));
        }

        (Dimension, _rule, _path) = (dimension, rule, TrellisPath.Coordinates(dimension));
        _table = new TrellisTable(TrellisTables.First(bits), TrellisTables.Second(bits), bits, TrellisTables.Step(bits));
    }

    /// <summary>Steps to make one: its tables, which serve every dimension.</summary>
    public static long Steps => 1 << 16;

    /// <inheritdoc/>
    public int Dimension { get; }

    /// <inheritdoc/>
    public int Bits => _table.Bits;

    /// <inheritdoc/>
    public ReadOnlyMemory<float> UnitLevels => Array.ConvertAll(_table.Integers, number => number * _table.Step);

    /// <inheritdoc/>
    public CodingForm Coding(RotationForm rotation) => new() { Rotation = rotation, Rule = _rule, Trellis = _table };

    /// <summary>What the attention kernels look levels up in.</summary>
    public TileTable CreateTileTable() => new(_table);

    /// <inheritdoc/>
    public void Encode(ReadOnlySpan<float> rows, Span<byte> codes, Span<float> scales)
    {
        int words = TrellisSearch.ScratchLength(Dimension, _table);
        using var scratch = new AlignedScratch(((words + Dimension + 1) / 2) + (2 * Dimension));
        Span<ushort> search = MemoryMarshal.Cast<float, ushort>(scratch.Floats)[..words];
        Span<short> numbers = MemoryMarshal.Cast<float, short>(scratch.Floats).Slice(words, Dimension);
        Span<float> levels = scratch.Floats[^Dimension..];
        Span<byte> found = MemoryMarshal.AsBytes(scratch.Floats[..^Dimension])[^Dimension..];
        for (int r = 0; r < scales.Length; r++)
        {
            ReadOnlySpan<float> row = rows.Slice(r * Dimension, Dimension);
            Span<byte> coded = codes.Slice(r * Dimension, Dimension);
            Span<float> square = scales.Slice(r, 1);
            Reductions.Squares(row, square);
            float unit = MathF.Sqrt(square[0] / Dimension);
            Round(row, unit < Nothing ? 0 : TrellisTable.Fine / (unit * _table.Step), numbers);
            TrellisSearch.Run(_table, numbers, found, search);
            for (int step = 0; step < found.Length; step++)
                coded[_path[step]] = found[step];
            scales[r] = unit < Nothing ? 0 : Scale(row, square[0], unit, coded, levels);
        }
    }

    /// <inheritdoc/>
    public void Decode(ReadOnlySpan<byte> codes, float scale, Span<float> row) => TrellisLevels.Run(_table, _path, codes, scale * _table.Step, row);

    // Halves go up on both sides of zero; beyond the largest level all numbers are alike.
    private void Round(ReadOnlySpan<float> row, float factor, Span<short> numbers)
    {
        for (int i = 0; i < numbers.Length; i++)
            numbers[i] = (short)((int)(MathF.Min(MathF.Max(row[_path[i]] * factor, -short.MaxValue), short.MaxValue) + 32768.5f) - 32768);
    }

    private float Scale(ReadOnlySpan<float> row, float square, float unit, ReadOnlySpan<byte> codes, Span<float> levels)
    {
        Decode(codes, 1, levels);
        float product = Reductions.Dot(row, levels), levelSquare = Reductions.Dot(levels, levels);
        if (product <= 0)
            return 0; // no multiple of such levels is nearer to the row than zeros are
        return _rule switch
        {
            ScaleRule.Corrected => MathF.Sqrt(square / levelSquare),
            ScaleRule.LeastSquares => product / levelSquare,
            ScaleRule.Unbiased => square / product,
            _ => unit,
        };
    }
}
