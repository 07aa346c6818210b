using System.Numerics.Tensors;
using Kvant.Kernels;
using Kvant.Memory;

namespace Kvant.Codecs;

/// <summary>One mean per head, that of its first 128 rows, for all rows that come: no bytes per row, and blocks stay as short as they are.</summary>
/// <remarks>The state is the mean. Where it has less than a given share of the rows' energy, or is too large, the state is zeros and nothing is subtracted.</remarks>
internal sealed class HeadMeanCodec : CenteredCodec
{
    /// <summary>The share of the energy from which on a mean is subtracted by itself: what is left is coded with a quarter less error.</summary>
    public const double ShareThatPays = 0.25;

    // What the door lets in, less a mean of at most this norm, still has scales that any codec stores (see Door.AlwaysEncodable).
    private const float LargestNorm = 8192;

    // As many rows as are subtracted at once: a buffer that stays in the first-level cache.
    private const int TileFloats = 4096;

    private readonly double _leastShare;
    private readonly byte[] _state; // empty before calibration
    private readonly float[] _inBasis;
    private readonly float[] _mean;

    public HeadMeanCodec(Codec inner, Codec mean, double leastShare)
        : this(inner, mean, leastShare, [], new float[inner.Dimension])
    {
    }

    private HeadMeanCodec(Codec inner, Codec mean, double leastShare, byte[] state, float[] inBasis)
        : base(inner, mean, inner.RowsPerBlock, inner.BytesPerBlock)
    {
        (_leastShare, _state, _inBasis, _mean) = (leastShare, state, inBasis, new float[Dimension]);
        FromBasis(inBasis, _mean);
    }

    internal override BlockForm? Form => Inner.Form is { } inner ? inner with { Shared = _inBasis, Coding = inner.Coding is { } coding ? coding with { Shared = _mean } : null } : null;

    public override int CalibrationRows => 128;

    public override int StateBytes => Mean.BytesPerBlock;

    public override ReadOnlySpan<byte> State => _state;

    public override int ScaleBytesPerBlock => Inner.ScaleBytesPerBlock;

    protected override Codec CalibrateRows(ReadOnlySpan<float> rows, CalibrationContext context)
    {
        byte[] state = new byte[StateBytes];
        float[] inBasis = new float[Dimension], mean = new float[Dimension];
        StoreMean(rows, state, inBasis, mean);
        if (!IsTaken(inBasis) || (double)rows.Length / Dimension * Energy(mean) < _leastShare * Energy(rows))
        {
            Array.Clear(state);
            Array.Clear(inBasis);
        }

        return new HeadMeanCodec(Inner, Mean, _leastShare, state, inBasis);
    }

    protected override Codec RestoreState(ReadOnlySpan<byte> state)
    {
        float[] inBasis = new float[Dimension];
        DecodeMean(state, inBasis);
        if (!IsTaken(inBasis))
            throw new ArgumentException($"The state is not a mean of finite numbers with a norm of at most {LargestNorm}.", nameof(state));
        return new HeadMeanCodec(Inner, Mean, _leastShare, state.ToArray(), inBasis);
    }

    protected override void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block) => EncodeBlocks(rows, block);

    protected override void EncodeBlocks(ReadOnlySpan<float> rows, Span<byte> blocks)
    {
        int floatsPerBlock = RowsPerBlock * Dimension, tile = Math.Max(1, TileFloats / floatsPerBlock);
        using var scratch = new AlignedScratch(tile * floatsPerBlock);
        for (int i = 0, at = 0; i < rows.Length; i += tile * floatsPerBlock, at += tile * BytesPerBlock)
        {
            int count = Math.Min(tile, (rows.Length - i) / floatsPerBlock);
            Span<float> residuals = scratch.Floats[..(count * floatsPerBlock)];
            Subtract(rows.Slice(i, residuals.Length), _mean, residuals);
            Inner.EncodePart(residuals, blocks.Slice(at, count * BytesPerBlock));
        }
    }

    protected override void ReencodeBlock(ReadOnlySpan<float> rows, ReadOnlySpan<byte> cut, int kept, Span<byte> block)
    {
        using var scratch = new AlignedScratch(rows.Length);
        Subtract(rows, _mean, scratch.Floats);
        Inner.ReencodePart(scratch.Floats, cut, kept, block);
    }

    private protected override bool IsFinite(ReadOnlySpan<byte> block) => Inner.AreFinite(block);

    protected override void DecodeInBasis(ReadOnlySpan<byte> block, Span<float> rows)
    {
        Inner.DecodePart(block, rows);
        Add(_inBasis, rows);
    }

    protected override void ScoreBlocks(PreparedQueries prepared, ReadOnlySpan<byte> blocks, Span<float> scores, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming)
    {
        Inner.ScorePart(prepared, blocks, scores, arithmetic, upcoming);
        int rows = blocks.Length / BytesPerBlock * RowsPerBlock;
        using var scratch = new AlignedScratch(prepared.Count);
        ScoreMeans(prepared, _inBasis, scratch.Floats, []);
        for (int q = 0; q < prepared.Count; q++)
            TensorPrimitives.Add(scores.Slice(q * rows, rows), scratch.Floats[q], scores.Slice(q * rows, rows));
    }

    protected override void AccumulateBlocks(
        ReadOnlySpan<float> weights, ReadOnlySpan<byte> blocks, Span<float> accumulators, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming)
    {
        Inner.AccumulatePart(weights, blocks, accumulators, arithmetic, upcoming);
        int rows = blocks.Length / BytesPerBlock * RowsPerBlock, queries = accumulators.Length / Dimension;
        using var scratch = new AlignedScratch(queries);
        for (int q = 0; q < queries; q++)
            scratch.Floats[q] = TensorPrimitives.Sum(weights.Slice(q * rows, rows));
        AccumulateMeans(scratch.Floats, _inBasis, accumulators, []);
    }

    private static bool IsTaken(float[] mean) => Halves.AreAtMost(mean, LargestNorm) && Energy(mean) <= (double)LargestNorm * LargestNorm;

    // In double precision and one after the other: the same decision on every machine.
    private static double Energy(ReadOnlySpan<float> numbers)
    {
        double sum = 0;
        foreach (float x in numbers)
            sum += (double)x * x;
        return sum;
    }
}
