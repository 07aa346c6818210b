using System.Buffers;
using Kvant.Rotations;

namespace Kvant.Codecs;

/// <summary>
/// A codec whose codes live in a rotated basis: rows are rotated as they enter, queries once per step, outputs once per head.
/// Rotations keep dot products, so scores are taken between rotated queries and rotated rows and no cached row is ever turned back.
/// </summary>
public abstract class RotatedCodec : Codec
{
    /// <summary>Sets geometry and basis.</summary>
    /// <param name="rotation">The rotation; its dimension is the codec's.</param>
    /// <param name="rowsPerBlock">Rows that are encoded together.</param>
    /// <param name="bytesPerBlock">Bytes of one encoded block.</param>
    protected RotatedCodec(Rotation rotation, int rowsPerBlock, int bytesPerBlock)
        : base(Require(rotation).Dimension, rowsPerBlock, bytesPerBlock) => Rotation = rotation;

    /// <summary>From the caller's basis into that of the codes.</summary>
    public Rotation Rotation { get; }

    /// <summary>Encodes one block of rows that are already rotated.</summary>
    /// <param name="rows"><see cref="Codec.RowsPerBlock"/> times <see cref="Codec.Dimension"/> floats; may be overwritten.</param>
    /// <param name="block">Receives the bytes.</param>
    protected abstract void EncodeRotated(Span<float> rows, Span<byte> block);

    /// <inheritdoc/>
    protected abstract override void DecodeInBasis(ReadOnlySpan<byte> block, Span<float> rows);

    /// <inheritdoc/>
    protected sealed override void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block)
    {
        if (RowsPerBlock == 1)
        {
            Span<float> row = stackalloc float[Dimension];
            Rotation.Forward(rows, row);
            EncodeRotated(row, block);
            return;
        }

        float[] rented = ArrayPool<float>.Shared.Rent(rows.Length);
        Span<float> rotated = rented.AsSpan(0, rows.Length);
        for (int i = 0; i < rows.Length; i += Dimension)
            Rotation.Forward(rows.Slice(i, Dimension), rotated.Slice(i, Dimension));
        EncodeRotated(rotated, block);
        ArrayPool<float>.Shared.Return(rented);
    }

    /// <inheritdoc/>
    protected sealed override void DecodeBlock(ReadOnlySpan<byte> block, Span<float> rows)
    {
        DecodeInBasis(block, rows);
        for (int i = 0; i < rows.Length; i += Dimension)
            Rotation.Inverse(rows.Slice(i, Dimension), rows.Slice(i, Dimension));
    }

    /// <inheritdoc/>
    protected override void PrepareQuery(ReadOnlySpan<float> query, Span<float> prepared) => Rotation.Forward(query, prepared[..Dimension]);

    /// <inheritdoc/>
    protected override void FinishQuery(ReadOnlySpan<float> accumulator, Span<float> output) => Rotation.Inverse(accumulator, output);

    private static Rotation Require(Rotation rotation)
    {
        ArgumentNullException.ThrowIfNull(rotation);
        return rotation;
    }
}
