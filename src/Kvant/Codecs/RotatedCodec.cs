using Kvant.Memory;
using Kvant.Rotations;

namespace Kvant.Codecs;

/// <summary>
/// A codec whose codes live in a rotated basis: rows are rotated as they enter, queries once per step, outputs once per head.
/// Rotations keep dot products, so scores are taken between rotated queries and rotated rows and no cached row is ever turned back.
/// </summary>
public abstract class RotatedCodec : Codec
{
    // 16 rows of 128: little enough for the first-level cache.
    private const int TileFloats = 2048;

    /// <summary>Sets geometry and basis.</summary>
    /// <param name="rotation">The rotation; its dimension is the codec's.</param>
    /// <param name="rowsPerBlock">Rows that are encoded together.</param>
    /// <param name="bytesPerBlock">Bytes of one encoded block.</param>
    protected RotatedCodec(Rotation rotation, int rowsPerBlock, int bytesPerBlock)
        : base(Require(rotation).Dimension, rowsPerBlock, bytesPerBlock) => Rotation = rotation;

    /// <summary>From the caller's basis into that of the codes.</summary>
    public Rotation Rotation { get; }

    /// <summary>Encodes blocks of rows that are already rotated.</summary>
    /// <param name="rows">Whole blocks of rows; may be overwritten.</param>
    /// <param name="blocks">Receives as many blocks.</param>
    /// <exception cref="ArgumentException">A scale does not fit its storage.</exception>
    protected abstract void EncodeRotated(Span<float> rows, Span<byte> blocks);

    /// <inheritdoc/>
    protected abstract override void DecodeInBasis(ReadOnlySpan<byte> block, Span<float> rows);

    /// <inheritdoc/>
    protected sealed override void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block) => EncodeBlocks(rows, block);

    // A tile of blocks at a time: every stage goes over all rows of the tile before the next begins, so that the processor
    // works on several rows at once where the stages of one row would wait for each other.
    /// <inheritdoc/>
    protected sealed override void EncodeBlocks(ReadOnlySpan<float> rows, Span<byte> blocks)
    {
        int floatsPerBlock = RowsPerBlock * Dimension, tile = Math.Max(1, TileFloats / floatsPerBlock);
        using var scratch = new AlignedScratch(tile * floatsPerBlock);
        for (int i = 0, at = 0; i < rows.Length; i += tile * floatsPerBlock, at += tile * BytesPerBlock)
        {
            int count = Math.Min(tile, (rows.Length - i) / floatsPerBlock);
            Span<float> rotated = scratch.Floats[..(count * floatsPerBlock)];
            Rotation.Forward(rows.Slice(i, rotated.Length), rotated);
            EncodeRotated(rotated, blocks.Slice(at, count * BytesPerBlock));
        }
    }

    /// <inheritdoc/>
    protected sealed override void DecodeBlock(ReadOnlySpan<byte> block, Span<float> rows)
    {
        DecodeInBasis(block, rows);
        Rotation.Inverse(rows, rows);
    }

    /// <inheritdoc/>
    protected sealed override void ToBasis(ReadOnlySpan<float> queries, Span<float> inBasis) => Rotation.Forward(queries, inBasis);

    /// <inheritdoc/>
    protected sealed override void FromBasis(ReadOnlySpan<float> accumulators, Span<float> outputs) => Rotation.Inverse(accumulators, outputs);

    private static Rotation Require(Rotation rotation)
    {
        ArgumentNullException.ThrowIfNull(rotation);
        return rotation;
    }
}
