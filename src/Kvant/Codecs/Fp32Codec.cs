using System.Runtime.InteropServices;
using Kvant.Kernels;

namespace Kvant.Codecs;

/// <summary>No compression: 32-bit floats, bit for bit. The baseline that every loss is measured against.</summary>
internal sealed class Fp32Codec(int dimension) : Codec(dimension, 1, 4 * dimension)
{
    public static CodecMethod Method { get; } = new("fp32", "32-bit floats, no loss: the baseline", [], (_, d, _) => new Fp32Codec(d));

    internal override BlockForm? Form { get; } = new() { Numbers = NumberForm.Singles };

    protected override void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block) => MemoryMarshal.AsBytes(rows).CopyTo(block);

    protected override void DecodeBlock(ReadOnlySpan<byte> block, Span<float> rows) => block.CopyTo(MemoryMarshal.AsBytes(rows));

    protected override void ScoreBlocks(PreparedQueries prepared, ReadOnlySpan<byte> blocks, Span<float> scores, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming) =>
        RowAttention.Score<SingleRows>(this, prepared, blocks, scores, upcoming);

    protected override void AccumulateBlocks(
        ReadOnlySpan<float> weights, ReadOnlySpan<byte> blocks, Span<float> accumulators, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming) =>
        RowAttention.Accumulate<SingleRows>(this, weights, blocks, accumulators, upcoming);
}
