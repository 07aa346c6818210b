using System.Buffers;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Kvant.Kernels;
using Kvant.Memory;

namespace Kvant.Codecs;

/// <summary>A mean for every 32, 64 or 128 rows.</summary>
/// <remarks>A block is the inner blocks of the residuals, which stay at the beginning of cache lines so, then the mean.</remarks>
internal sealed class BlockMeanCodec : CenteredCodec
{
    // Rows and their mean of at most this norm leave residuals of at most twice that, whose scales any codec stores (see Door.AlwaysEncodable).
    private const float EasyNorm = 16384;

    // As many rows as attention takes at a time: copying their blocks together costs less than a call for each of them.
    private const int PartRows = 128;

    private readonly int _meanAt;

    public BlockMeanCodec(Codec inner, Codec mean, int rows)
        : base(inner, mean, rows, (rows / inner.RowsPerBlock * inner.BytesPerBlock) + mean.BytesPerBlock) => _meanAt = BytesPerBlock - mean.BytesPerBlock;

    public override int ScaleBytesPerBlock => (RowsPerBlock / Inner.RowsPerBlock * Inner.ScaleBytesPerBlock) + Mean.BytesPerBlock;

    private int PartBlocks => PartRows / RowsPerBlock;

    // Their residuals.
    private int PartFloats => ((PartBlocks * _meanAt) + sizeof(float) - 1) / sizeof(float);

    protected override void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block)
    {
        // Takes exactly the rows that the inner codec takes: a cache asks for each row alone, before it knows the others of the block.
        bool large = !Halves.AreAtMost(rows, EasyNorm / MathF.Sqrt(Dimension));
        if (large)
            Inner.EncodePart(rows, block[.._meanAt]);
        Span<float> inBasis = stackalloc float[Dimension], mean = stackalloc float[Dimension];
        if (!StoreMean(rows, block[_meanAt..], inBasis, mean))
            return; // only a large one: the rows are coded as they are
        using var scratch = new AlignedScratch(rows.Length);
        Subtract(rows, mean, scratch.Floats);
        try
        {
            Inner.EncodePart(scratch.Floats, block[.._meanAt]);
        }
        catch (ArgumentException) when (large)
        {
            // The rows fit, less their mean they do not: without it.
            block[_meanAt..].Clear();
            Inner.EncodePart(rows, block[.._meanAt]);
        }
    }

    // With the mean that the block had, the rows that are left keep their codes; others may want a new one more.
    protected override void ReencodeBlock(ReadOnlySpan<float> rows, ReadOnlySpan<byte> cut, int kept, Span<byte> block)
    {
        EncodeBlock(rows, block);
        byte[] rented = ArrayPool<byte>.Shared.Rent(BytesPerBlock);
        Span<byte> same = rented.AsSpan(0, BytesPerBlock);
        if (TryWithMeanOf(rows, cut, kept, same) && SquaredError(rows, same) <= SquaredError(rows, block))
            same.CopyTo(block);
        ArrayPool<byte>.Shared.Return(rented);
    }

    private protected override bool IsFinite(ReadOnlySpan<byte> block) => Inner.AreFinite(block[.._meanAt]) && Mean.AreFinite(block[_meanAt..]);

    protected override void DecodeInBasis(ReadOnlySpan<byte> block, Span<float> rows)
    {
        Inner.DecodePart(block[.._meanAt], rows);
        Span<float> mean = stackalloc float[Dimension];
        DecodeMean(block[_meanAt..], mean);
        Add(mean, rows);
    }

    protected override void ScoreBlocks(PreparedQueries prepared, ReadOnlySpan<byte> blocks, Span<float> scores, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming)
    {
        int count = blocks.Length / BytesPerBlock, rows = count * RowsPerBlock, queries = prepared.Count, share = upcoming.Length / count;
        using var scratch = new AlignedScratch(PartFloats + (queries * (PartBlocks + PartRows)));
        Span<float> products = scratch.Floats.Slice(PartFloats, queries * PartBlocks), apart = scratch.Floats[^(queries * PartRows)..];
        for (int b = 0; b < count; b += PartBlocks)
        {
            int blocksOfPart = Math.Min(PartBlocks, count - b), rowsOfPart = blocksOfPart * RowsPerBlock;
            ReadOnlySpan<byte> part = blocks.Slice(b * BytesPerBlock, blocksOfPart * BytesPerBlock), residuals = Residuals(part, scratch.Floats);
            ScoreStored(prepared, part[_meanAt..], BytesPerBlock, blocksOfPart, products);
            Span<float> ofPart = rowsOfPart == rows ? scores : apart[..(queries * rowsOfPart)];
            Inner.ScorePart(prepared, residuals, ofPart, arithmetic, upcoming.Slice(b * share, blocksOfPart * share));
            for (int i = 0; i < queries * blocksOfPart; i++)
            {
                int row = (b + (i % blocksOfPart)) * RowsPerBlock;
                TensorPrimitives.Add(ofPart.Slice(i * RowsPerBlock, RowsPerBlock), products[i], scores.Slice((i / blocksOfPart * rows) + row, RowsPerBlock));
            }
        }
    }

    protected override void AccumulateBlocks(
        ReadOnlySpan<float> weights, ReadOnlySpan<byte> blocks, Span<float> accumulators, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming)
    {
        int count = blocks.Length / BytesPerBlock, rows = count * RowsPerBlock, queries = accumulators.Length / Dimension, share = upcoming.Length / count;
        using var scratch = new AlignedScratch(PartFloats + (queries * (PartBlocks + PartRows)));
        Span<float> sums = scratch.Floats.Slice(PartFloats, queries * PartBlocks), apart = scratch.Floats[^(queries * PartRows)..];
        for (int b = 0; b < count; b += PartBlocks)
        {
            int blocksOfPart = Math.Min(PartBlocks, count - b), rowsOfPart = blocksOfPart * RowsPerBlock;
            ReadOnlySpan<byte> part = blocks.Slice(b * BytesPerBlock, blocksOfPart * BytesPerBlock), residuals = Residuals(part, scratch.Floats);
            ReadOnlySpan<float> ofPart = weights;
            if (rowsOfPart < rows)
            {
                for (int q = 0; q < queries; q++)
                    weights.Slice((q * rows) + (b * RowsPerBlock), rowsOfPart).CopyTo(apart[(q * rowsOfPart)..]);
                ofPart = apart[..(queries * rowsOfPart)];
            }

            Inner.AccumulatePart(ofPart, residuals, accumulators, arithmetic, upcoming.Slice(b * share, blocksOfPart * share));
            for (int i = 0; i < queries * blocksOfPart; i++)
                sums[i] = TensorPrimitives.Sum(ofPart.Slice(i * RowsPerBlock, RowsPerBlock));
            AccumulateStored(sums, part[_meanAt..], BytesPerBlock, blocksOfPart, accumulators);
        }
    }

    private bool TryWithMeanOf(ReadOnlySpan<float> rows, ReadOnlySpan<byte> cut, int kept, Span<byte> block)
    {
        Span<float> mean = stackalloc float[Dimension];
        DecodeMean(cut[_meanAt..], mean);
        if (!Halves.AreAtMost(mean, Fp16.Largest))
            return false; // not what this codec wrote
        FromBasis(mean, mean);
        using var scratch = new AlignedScratch(rows.Length);
        Subtract(rows, mean, scratch.Floats);
        cut[_meanAt..].CopyTo(block[_meanAt..]);
        try
        {
            Inner.ReencodePart(scratch.Floats, cut[.._meanAt], kept, block[.._meanAt]);
            return true;
        }
        catch (ArgumentException)
        {
            return false; // less another's mean a row does not fit
        }
    }

    // The inner blocks of a part, one after the other.
    private ReadOnlySpan<byte> Residuals(ReadOnlySpan<byte> blocks, Span<float> scratch)
    {
        int count = blocks.Length / BytesPerBlock;
        if (count == 1)
            return blocks[.._meanAt];
        Span<byte> residuals = MemoryMarshal.AsBytes(scratch)[..(count * _meanAt)];
        for (int b = 0; b < count; b++)
            blocks.Slice(b * BytesPerBlock, _meanAt).CopyTo(residuals[(b * _meanAt)..]);
        return residuals;
    }
}
