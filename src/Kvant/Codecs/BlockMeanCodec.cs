using System.Numerics.Tensors;
using Kvant.Kernels;
using Kvant.Memory;

namespace Kvant.Codecs;

/// <summary>A mean for every 32, 64 or 128 rows.</summary>
/// <remarks>A block is the inner blocks of the residuals, which stay at the beginning of cache lines so, then the mean.</remarks>
internal sealed class BlockMeanCodec : CenteredCodec
{
    // Rows and their mean of at most this norm leave residuals of at most twice that, whose scales any codec stores (see Door.AlwaysEncodable).
    private const float EasyNorm = 16384;

    private readonly int _meanAt;

    public BlockMeanCodec(Codec inner, Codec mean, int rows)
        : base(inner, mean, rows, (rows / inner.RowsPerBlock * inner.BytesPerBlock) + mean.BytesPerBlock) => _meanAt = BytesPerBlock - mean.BytesPerBlock;

    public override int ScaleBytesPerBlock => (RowsPerBlock / Inner.RowsPerBlock * Inner.ScaleBytesPerBlock) + Mean.BytesPerBlock;

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

    protected override void DecodeInBasis(ReadOnlySpan<byte> block, Span<float> rows)
    {
        Inner.DecodePart(block[.._meanAt], rows);
        Span<float> mean = stackalloc float[Dimension];
        Mean.DecodePart(block[_meanAt..], mean);
        Add(mean, rows);
    }

    protected override void ScoreBlocks(PreparedQueries prepared, ReadOnlySpan<byte> blocks, Span<float> scores, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming)
    {
        int count = blocks.Length / BytesPerBlock, rows = count * RowsPerBlock, share = upcoming.Length / count;
        using var scratch = new AlignedScratch(prepared.Count * (RowsPerBlock + 1));
        Span<float> products = scratch.Floats[..prepared.Count], ofBlock = count == 1 ? scores : scratch.Floats[prepared.Count..];
        Span<float> mean = stackalloc float[Dimension];
        for (int b = 0; b < count; b++)
        {
            ReadOnlySpan<byte> block = blocks.Slice(b * BytesPerBlock, BytesPerBlock);
            Mean.DecodePart(block[_meanAt..], mean);
            ScoreMean(prepared, mean, products);
            Inner.ScorePart(prepared, block[.._meanAt], ofBlock, arithmetic, upcoming.Slice(b * share, share));
            for (int q = 0; q < prepared.Count; q++)
                TensorPrimitives.Add(ofBlock.Slice(q * RowsPerBlock, RowsPerBlock), products[q], scores.Slice((q * rows) + (b * RowsPerBlock), RowsPerBlock));
        }
    }

    protected override void AccumulateBlocks(
        ReadOnlySpan<float> weights, ReadOnlySpan<byte> blocks, Span<float> accumulators, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming)
    {
        int count = blocks.Length / BytesPerBlock, rows = count * RowsPerBlock, queries = accumulators.Length / Dimension, share = upcoming.Length / count;
        using var scratch = new AlignedScratch(queries * RowsPerBlock);
        Span<float> mean = stackalloc float[Dimension];
        for (int b = 0; b < count; b++)
        {
            ReadOnlySpan<byte> block = blocks.Slice(b * BytesPerBlock, BytesPerBlock);
            Mean.DecodePart(block[_meanAt..], mean);
            for (int q = 0; q < queries; q++)
            {
                ReadOnlySpan<float> own = weights.Slice((q * rows) + (b * RowsPerBlock), RowsPerBlock);
                own.CopyTo(scratch.Floats[(q * RowsPerBlock)..]);
                AccumulateMean(own, mean, accumulators.Slice(q * Dimension, Dimension));
            }

            Inner.AccumulatePart(scratch.Floats, block[.._meanAt], accumulators, arithmetic, upcoming.Slice(b * share, share));
        }
    }
}
