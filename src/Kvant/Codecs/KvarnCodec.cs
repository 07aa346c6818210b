using System.Runtime.InteropServices;
using Kvant.Codebooks;
using Kvant.Kernels;
using Kvant.Memory;
using Kvant.Packing;
using Kvant.Rotations;

namespace Kvant.Codecs;

/// <summary>
/// Rows coded as a tile whose columns have scales too: number [i, j] of the rotated tile is scale of row i times scale of column j times a level.
/// What the rotation leaves uneven between channels costs no levels.
/// </summary>
/// <remarks>A block is the column scales, then the fp16 scales of its rows, then their codes, row by row.</remarks>
internal sealed class KvarnCodec : RotatedCodec
{
    // Rows up to this norm can be stored without column scales under any rule (see Door.AlwaysEncodable).
    private const float EasyNorm = 16384;

    private readonly IRowQuantizer _quantizer;
    private readonly ScaleRule _rule;
    private readonly ColumnScales _columns;
    private readonly int _rounds;
    private readonly int _scalesAt;
    private readonly int _codesAt;
    private readonly int _rowBytes;

    private KvarnCodec(Rotation rotation, IRowQuantizer quantizer, ScaleRule rule, int tokens, int rounds, ColumnScales columns)
        : base(rotation, tokens, columns.Bytes(rotation.Dimension) + (tokens * (Fp16.Bytes + BitPacking.ByteCount(rotation.Dimension, quantizer.Bits))))
    {
        (_quantizer, _rule, _rounds, _columns) = (quantizer, rule, rounds, columns);
        _scalesAt = columns.Bytes(Dimension);
        _codesAt = _scalesAt + (tokens * Fp16.Bytes);
        _rowBytes = BitPacking.ByteCount(Dimension, quantizer.Bits);
    }

    public static CodecMethod Method { get; } = new(
        "kvarn",
        "rotation, then scales for the rows and the columns of a tile of tokens, then the best levels",
        [
            CommonSettings.Bits(4, 1, 4),
            CodecSetting.Choice("tokens", "128", ["32", "64", "128"], "rows of a tile"),
            CodecSetting.Integer("rounds", 16, 0, 64, "how often rows and columns are scaled in turn; 0 = rows alone"),
            CodecSetting.Choice("columns", "8", ["16", "8", "4"], "bits of the scale of a column"),
            CommonSettings.Rotation("hadamard"),
            CommonSettings.Seed,
            CommonSettings.Scale,
            CodecSetting.Choice("code", "lloydmax", ["lloydmax", "trellis"], "levels of least squared error, or chosen as a path"),
            CodecSetting.Choice("mean", "0", ["0", "128"], "rows whose mean is subtracted; 0 = none"),
            CommonSettings.MeanBits,
        ],
        CenteredCodec.Around(Create));

    public override int ScaleBytesPerBlock => _codesAt;

    protected override void EncodeRotated(Span<float> rows, Span<byte> blocks)
    {
        int floats = RowsPerBlock * Dimension;
        for (int i = 0, at = 0; i < rows.Length; i += floats, at += BytesPerBlock)
            EncodeTile(rows.Slice(i, floats), blocks.Slice(at, BytesPerBlock));
    }

    protected override void DecodeInBasis(ReadOnlySpan<byte> block, Span<float> rows)
    {
        Span<float> columns = stackalloc float[Dimension];
        Span<byte> codes = stackalloc byte[Dimension];
        _columns.Read(block, columns);
        for (int r = 0; r < RowsPerBlock; r++)
        {
            Span<float> row = rows.Slice(r * Dimension, Dimension);
            BitPacking.Unpack(block.Slice(_codesAt + (r * _rowBytes), _rowBytes), _quantizer.Bits, codes);
            _quantizer.Decode(codes, Fp16.Read(block[(_scalesAt + (r * Fp16.Bytes))..]), row);
            Elementwise.Multiply(row, columns, row);
        }
    }

    private void EncodeTile(Span<float> rows, Span<byte> block)
    {
        Span<float> squares = stackalloc float[RowsPerBlock], columns = stackalloc float[Dimension], scales = stackalloc float[RowsPerBlock];
        Reductions.Squares(rows, squares);
        bool easy = true;
        foreach (float square in squares)
            easy &= square <= EasyNorm * EasyNorm;

        // Whether a block is taken must follow from each of its rows alone: a cache asks before it knows the others.
        if (easy)
        {
            TileBalance.Columns(rows, squares, _rounds, columns);
            _columns.Write(columns, block);
            CodeRows(rows, squares, columns, scales, block[_codesAt..]);
        }

        if (!easy || !Halves.AreAtMost(scales, Fp16.Largest))
        {
            columns.Fill(1);
            _columns.Write(columns, block);
            CodeRows(rows, squares, columns, scales, block[_codesAt..]);
        }

        Fp16.Round(scales, MemoryMarshal.Cast<byte, Half>(block[_scalesAt.._codesAt]));
    }

    // Each row is divided by the column scales as they are stored and by what is then its own scale.
    private void CodeRows(ReadOnlySpan<float> rows, ReadOnlySpan<float> squares, ReadOnlySpan<float> columns, Span<float> scales, Span<byte> packed)
    {
        Span<byte> codes = stackalloc byte[Dimension];
        Span<float> ignored = stackalloc float[1];
        using var scratch = new AlignedScratch(3 * Dimension);
        Span<float> inverses = scratch.Floats[..Dimension], balanced = scratch.Floats.Slice(Dimension, Dimension), coded = scratch.Floats[(2 * Dimension)..];
        for (int c = 0; c < Dimension; c++)
            inverses[c] = 1 / columns[c];
        for (int r = 0; r < RowsPerBlock; r++)
        {
            ReadOnlySpan<float> row = rows.Slice(r * Dimension, Dimension);
            Elementwise.Multiply(row, inverses, balanced);
            float unit = MathF.Sqrt(Reductions.Dot(balanced, balanced) / Dimension), factor = unit < SphereQuantizer.Nothing ? 0 : 1 / unit;
            _quantizer.Encode(balanced, codes, ignored);
            _quantizer.Decode(codes, 1, coded);
            BitPacking.Pack(codes, _quantizer.Bits, packed.Slice(r * _rowBytes, _rowBytes));
            Elementwise.Multiply(coded, columns, coded);
            scales[r] = factor == 0 ? 0 : _rule switch
            {
                ScaleRule.Corrected => MathF.Sqrt(squares[r] / Reductions.Dot(coded, coded)),
                ScaleRule.LeastSquares => Reductions.Dot(row, coded) / Reductions.Dot(coded, coded),
                ScaleRule.Unbiased => squares[r] / Reductions.Dot(row, coded),
                _ => unit,
            };
        }
    }

    private static KvarnCodec Create(CodecSpec spec, int dimension, CodecRole role)
    {
        int bits = spec.Integer("bits");
        IRowQuantizer quantizer = spec["code"] == "trellis" ? new TrellisQuantizer(dimension, bits, ScaleRule.Norm)
            : new SphereQuantizer(Codebook.LloydMax(dimension, bits), ScaleRule.Norm);
        Rotation rotation = RotationCatalog.Create(spec["rotation"], dimension, spec.Seed());
        return new(rotation, quantizer, CommonSettings.ScaleOf(spec), spec.Integer("tokens"), spec.Integer("rounds"), new ColumnScales(spec.Integer("columns")));
    }
}
