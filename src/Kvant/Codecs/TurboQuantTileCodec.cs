using System.Buffers;
using System.Runtime.InteropServices;
using Kvant.Kernels;
using Kvant.Rotations;

namespace Kvant.Codecs;

/// <summary>
/// <see cref="TurboQuantCodec"/> as a cache holds it: 32 rows in a block, the same scales and codes, the codes in the order in which
/// the attention kernels read them. Fast arithmetic works on the codes themselves, in small integers.
/// </summary>
/// <remarks>A block is the fp16 scales, [group, row], then the units of codes (<see cref="TileLayout"/>): the bytes of 32 rows.</remarks>
internal sealed class TurboQuantTileCodec : RotatedCodec
{
    private readonly IRowQuantizer _quantizer;
    private readonly TileShape _shape;

    /// <summary>A codec of rows in tiles; see <see cref="Takes"/>.</summary>
    public TurboQuantTileCodec(Rotation rotation, IRowQuantizer quantizer, TileTable table, bool keys)
        : this(rotation, quantizer, new TileShape(rotation.Dimension, rotation.Dimension / quantizer.Dimension, table, keys))
    {
    }

    private TurboQuantTileCodec(Rotation rotation, IRowQuantizer quantizer, TileShape shape)
        : base(rotation, TileLayout.Rows, shape.Bytes)
    {
        (_quantizer, _shape) = (quantizer, shape);
        Form = new()
        {
            Numbers = shape.Table.IsTrellis ? NumberForm.Paths : NumberForm.Levels,
            Bits = shape.Table.Bits,
            Groups = shape.Groups,
            KeyOrder = shape.Keys,
            Levels = quantizer.UnitLevels,
            Coding = rotation.Form is { } form ? quantizer.Coding(form) : null,
        };
    }

    /// <inheritdoc/>
    public override int PreparedLength => Dimension + TilePrepare.Length(Dimension, _shape.Groups);

    /// <inheritdoc/>
    public override int ScaleBytesPerBlock => _shape.ScaleBytes;

    /// <inheritdoc/>
    internal override BlockForm? Form { get; }

    private protected override bool ScalesLead => true;

    /// <summary>Whether rows of this shape can lie in tiles.</summary>
    public static bool Takes(int dimension, int bits, bool trellis) =>
        (bits is >= 2 and <= 4 || (trellis && bits == 1)) && dimension % TileLayout.Coordinates == 0 && dimension <= 1024;

    protected override void EncodeRotated(Span<float> rows, Span<byte> blocks)
    {
        byte[] rented = ArrayPool<byte>.Shared.Rent(TileLayout.Rows * Dimension);
        Span<byte> codes = rented.AsSpan(0, TileLayout.Rows * Dimension);
        Span<float> scales = stackalloc float[TileLayout.Rows * _shape.Groups];
        Span<Half> rounded = stackalloc Half[scales.Length];
        for (int i = 0, at = 0; i < rows.Length; i += codes.Length, at += BytesPerBlock)
        {
            _quantizer.Encode(rows.Slice(i, codes.Length), codes, scales);
            Fp16.Round(scales, rounded);
            // From [row, group] to [group, row].
            Span<Half> stored = MemoryMarshal.Cast<byte, Half>(blocks.Slice(at, _shape.ScaleBytes));
            for (int s = 0; s < rounded.Length; s++)
                stored[(s % _shape.Groups * TileLayout.Rows) + (s / _shape.Groups)] = rounded[s];
            _shape.Pack(codes, blocks.Slice(at + _shape.ScaleBytes, BytesPerBlock - _shape.ScaleBytes));
        }

        ArrayPool<byte>.Shared.Return(rented);
    }

    // Rows of a tile share nothing but their place.
    protected override void ReencodeBlock(ReadOnlySpan<float> rows, ReadOnlySpan<byte> cut, int kept, Span<byte> block)
    {
        EncodeBlock(rows, block);
        int scaleBytes = _shape.ScaleBytes, ofGroup = TileLayout.Rows * Fp16.Bytes;
        for (int at = 0; at < scaleBytes; at += ofGroup)
            cut.Slice(at, kept * Fp16.Bytes).CopyTo(block[at..]);
        byte[] rented = ArrayPool<byte>.Shared.Rent(2 * rows.Length);
        Span<byte> left = rented.AsSpan(0, rows.Length), codes = rented.AsSpan(rows.Length, rows.Length);
        _shape.Unpack(cut[scaleBytes..], left);
        _shape.Unpack(block[scaleBytes..], codes);
        left[..(kept * Dimension)].CopyTo(codes);
        _shape.Pack(codes, block[scaleBytes..]);
        ArrayPool<byte>.Shared.Return(rented);
    }

    protected override void DecodeInBasis(ReadOnlySpan<byte> block, Span<float> rows)
    {
        byte[] rented = ArrayPool<byte>.Shared.Rent(rows.Length);
        Span<byte> codes = rented.AsSpan(0, rows.Length);
        _shape.Unpack(block[_shape.ScaleBytes..], codes);
        Span<float> scales = stackalloc float[TileLayout.Rows * _shape.Groups]; // [group, row]
        Halves.Widen(MemoryMarshal.Cast<byte, ushort>(block[.._shape.ScaleBytes]), scales);
        int length = _shape.GroupLength;
        for (int row = 0; row < TileLayout.Rows; row++)
        {
            for (int g = 0; g < _shape.Groups; g++)
            {
                int start = (row * Dimension) + (g * length);
                _quantizer.Decode(codes.Slice(start, length), scales[(g * TileLayout.Rows) + row], rows.Slice(start, length));
            }
        }

        ArrayPool<byte>.Shared.Return(rented);
    }

    protected override void PrepareQuery(ReadOnlySpan<float> query, ReadOnlySpan<float> inBasis, Span<float> prepared)
    {
        base.PrepareQuery(query, inBasis, prepared);
        TilePrepare.Run(prepared[..Dimension], _shape.Table, _shape.Groups, prepared[Dimension..]);
    }

    protected override void ScoreBlocks(PreparedQueries prepared, ReadOnlySpan<byte> blocks, Span<float> scores, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming)
    {
        if (arithmetic == Arithmetic.Fast)
            TileScores.Run(_shape, blocks, BytesPerBlock, prepared.Slots[Dimension..], prepared.Length, prepared.Count, scores, upcoming);
        else
            base.ScoreBlocks(prepared, blocks, scores, arithmetic, upcoming);
    }

    protected override void AccumulateBlocks(
        ReadOnlySpan<float> weights, ReadOnlySpan<byte> blocks, Span<float> accumulators, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming)
    {
        if (arithmetic == Arithmetic.Fast)
            TileSums.Run(_shape, blocks, BytesPerBlock, weights, accumulators, upcoming);
        else
            base.AccumulateBlocks(weights, blocks, accumulators, arithmetic, upcoming);
    }

    private protected override void ScoreSpaced(
        PreparedQueries prepared, in SpacedBlocks blocks, Span<float> scores, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming)
    {
        if (arithmetic == Arithmetic.Fast && blocks.Length == BytesPerBlock)
            TileScores.Run(_shape, blocks.Bytes, blocks.Stride, prepared.Slots[Dimension..], prepared.Length, prepared.Count, scores, upcoming);
        else
            base.ScoreSpaced(prepared, blocks, scores, arithmetic, upcoming);
    }

    private protected override void AccumulateSpaced(
        ReadOnlySpan<float> weights, in SpacedBlocks blocks, Span<float> accumulators, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming)
    {
        if (arithmetic == Arithmetic.Fast && blocks.Length == BytesPerBlock)
            TileSums.Run(_shape, blocks.Bytes, blocks.Stride, weights, accumulators, upcoming);
        else
            base.AccumulateSpaced(weights, blocks, accumulators, arithmetic, upcoming);
    }
}
