using System.Buffers.Binary;
using System.Numerics.Tensors;
using Kvant.Kernels;
using Kvant.Memory;

namespace Kvant.Codecs;

/// <summary>
/// 8-bit integers with one scale per row: x is stored as round(x / s), s = max|x| / 127. No rotation: a row with one huge number loses
/// the others. The scale is an fp32, so any finite row fits; a row of zeros decodes to zeros.
/// </summary>
internal sealed class Q8Codec(int dimension) : Codec(dimension, 1, sizeof(float) + dimension)
{
    public static CodecMethod Method { get; } = new("q8", "8-bit integers, one fp32 scale per row", [CommonSettings.Frame], FramedCodec.Around((_, d, _) => new Q8Codec(d)));

    internal override BlockForm? Form { get; } = new() { Numbers = NumberForm.Bytes };

    public override int ScaleBytesPerBlock => sizeof(float);

    protected override void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block)
    {
        float scale = MathF.Abs(TensorPrimitives.MaxMagnitude(rows)) / 127;
        // For the very largest numbers the quotient rounds up and 127 times it would be infinite.
        if (!float.IsFinite(127 * scale))
            scale = MathF.BitDecrement(scale);
        BinaryPrimitives.WriteSingleLittleEndian(block, scale);
        Span<byte> codes = block[sizeof(float)..];
        if (scale == 0)
            codes.Clear();
        else
            RoundedCodes.Find<Roundings.Quotient>(rows, 0, scale, -127, 127, codes);
    }

    // Far above what a cache takes, far below what overflows in sums and products.
    private const float MostModest = 1e30f;

    /// <summary>Whether no number of a block, whoever wrote it, is so large that a codec around this one could make it infinite.</summary>
    internal static bool IsModest(ReadOnlySpan<byte> block) => Largest(block) <= MostModest;

    // No code is larger than 128; what is at the border is decoded.
    private protected override bool IsFinite(ReadOnlySpan<byte> block) => float.IsFinite(Largest(block)) || base.IsFinite(block);

    private static float Largest(ReadOnlySpan<byte> block) => 128 * MathF.Abs(BinaryPrimitives.ReadSingleLittleEndian(block));

    protected override void DecodeBlock(ReadOnlySpan<byte> block, Span<float> rows)
    {
        float scale = BinaryPrimitives.ReadSingleLittleEndian(block);
        rows.Clear();
        RowSums.Add<ByteRows>(new RowRun(block[sizeof(float)..], BytesPerBlock, 1), 0, Dimension, [scale], 1, 1, rows, Dimension);
    }

    protected override void ScoreBlocks(PreparedQueries prepared, ReadOnlySpan<byte> blocks, Span<float> scores, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming)
    {
        int rows = blocks.Length / BytesPerBlock;
        var run = new RowRun(blocks[sizeof(float)..], BytesPerBlock, rows) { Upcoming = upcoming };
        RowScores.Compute<ByteRows>(run, Dimension, prepared.Slots, prepared.Length, prepared.Count, scores, rows);
        using var scratch = new AlignedScratch(rows);
        RowScales.Singles(blocks, 0, BytesPerBlock, scratch.Floats);
        for (int q = 0; q < prepared.Count; q++)
            TensorPrimitives.Multiply(scores.Slice(q * rows, rows), scratch.Floats, scores.Slice(q * rows, rows));
    }

    protected override void AccumulateBlocks(
        ReadOnlySpan<float> weights, ReadOnlySpan<byte> blocks, Span<float> accumulators, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming)
    {
        int rows = blocks.Length / BytesPerBlock, queries = accumulators.Length / Dimension;
        using var scratch = new AlignedScratch(rows + weights.Length);
        Span<float> scales = scratch.Floats[..rows], scaled = scratch.Floats[rows..];
        RowScales.Singles(blocks, 0, BytesPerBlock, scales);
        for (int q = 0; q < queries; q++)
            TensorPrimitives.Multiply(weights.Slice(q * rows, rows), scales, scaled.Slice(q * rows, rows));
        var run = new RowRun(blocks[sizeof(float)..], BytesPerBlock, rows) { Upcoming = upcoming };
        RowSums.Add<ByteRows>(run, 0, Dimension, scaled, rows, queries, accumulators, Dimension);
    }
}
