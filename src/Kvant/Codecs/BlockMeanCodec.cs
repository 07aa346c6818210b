using System.Buffers;
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

    internal override BlockForm? Form => Inner.Form is { Mean: null } inner
        ? inner with
        {
            Mean = Mean is Fp16Codec ? MeanForm.Halves : Mean is Q8Codec ? MeanForm.Bytes : MeanForm.Fours,
            MeanOffset = _meanAt,
            Coding = inner.Coding is { } coding ? coding with { Easy = Easy } : null,
        }
        : null;

    public override int ScaleBytesPerBlock => (RowsPerBlock / Inner.RowsPerBlock * Inner.ScaleBytesPerBlock) + Mean.BytesPerBlock;

    private float Easy => EasyNorm / MathF.Sqrt(Dimension);

    protected override void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block)
    {
        // Takes exactly the rows that the inner codec takes: a cache asks for each row alone, before it knows the others of the block.
        bool large = !Halves.AreAtMost(rows, Easy);
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

    // Means of rows that a cache takes are far below what overflows when it is turned back; a scale of 32 bits from outside may not be.
    private protected override bool IsFinite(ReadOnlySpan<byte> block) =>
        Inner.AreFinite(block[.._meanAt]) && Mean.AreFinite(block[_meanAt..]) && (Mean is not Q8Codec || Q8Codec.IsModest(block[_meanAt..]));

    protected override void DecodeInBasis(ReadOnlySpan<byte> block, Span<float> rows)
    {
        Inner.DecodePart(block[.._meanAt], rows);
        Span<float> mean = stackalloc float[Dimension];
        DecodeMean(block[_meanAt..], mean);
        Add(mean, rows);
    }

    protected override void ScoreBlocks(PreparedQueries prepared, ReadOnlySpan<byte> blocks, Span<float> scores, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming)
    {
        int count = blocks.Length / BytesPerBlock;
        using var scratch = new AlignedScratch(prepared.Count * count);
        FetchMeans(upcoming);
        ScoreStored(prepared, blocks[_meanAt..], BytesPerBlock, count, scratch.Floats);
        Inner.ScoreSpacedPart(prepared, Residuals(blocks), scores, arithmetic, upcoming);
        Segments.Add(scores, RowsPerBlock, scratch.Floats);
    }

    protected override void AccumulateBlocks(
        ReadOnlySpan<float> weights, ReadOnlySpan<byte> blocks, Span<float> accumulators, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming)
    {
        int count = blocks.Length / BytesPerBlock, queries = accumulators.Length / Dimension;
        using var scratch = new AlignedScratch(queries * count);
        FetchMeans(upcoming);
        Inner.AccumulateSpacedPart(weights, Residuals(blocks), accumulators, arithmetic, upcoming);
        Segments.Sum(weights, RowsPerBlock, scratch.Floats);
        AccumulateStored(scratch.Floats, blocks[_meanAt..], BytesPerBlock, count, accumulators);
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

    // The inner codec fetches its own part of what comes next, which may be rows of another kind and any number of bytes.
    private void FetchMeans(ReadOnlySpan<byte> upcoming) => Prefetch.Some(upcoming[Math.Min(_meanAt, upcoming.Length)..], BytesPerBlock, Mean.BytesPerBlock);

    private SpacedBlocks Residuals(ReadOnlySpan<byte> blocks) => new(blocks, _meanAt, BytesPerBlock);
}
