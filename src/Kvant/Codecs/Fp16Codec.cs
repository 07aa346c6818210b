using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Kvant.Kernels;

namespace Kvant.Codecs;

/// <summary>IEEE half precision: what engines store today, and what ratios are measured against.</summary>
internal sealed class Fp16Codec(int dimension) : Codec(dimension, 1, 2 * dimension)
{
    public static CodecMethod Method { get; } = new("fp16", "16-bit floats, what engines store today", [], (_, d, _) => new Fp16Codec(d));

    internal override BlockForm? Form { get; } = new() { Numbers = NumberForm.Halves };

    protected override void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block) => EncodeBlocks(rows, block);

    protected override void EncodeBlocks(ReadOnlySpan<float> rows, Span<byte> blocks)
    {
        if (!Halves.AreAtMost(rows, Fp16.Largest))
            throw new ArgumentException($"{TensorPrimitives.MaxMagnitude(rows)} does not fit fp16; the largest magnitude is 65504.");
        Halves.Round(rows, MemoryMarshal.Cast<byte, ushort>(blocks));
    }

    private protected override bool IsFinite(ReadOnlySpan<byte> block) => AreFiniteHalves(block);

    protected override void DecodeBlock(ReadOnlySpan<byte> block, Span<float> rows) =>
        TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(block), rows);

    protected override void ScoreBlocks(PreparedQueries prepared, ReadOnlySpan<byte> blocks, Span<float> scores, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming) =>
        HalfAttention.Score(this, prepared, blocks, scores, upcoming);

    protected override void AccumulateBlocks(
        ReadOnlySpan<float> weights, ReadOnlySpan<byte> blocks, Span<float> accumulators, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming) =>
        HalfAttention.Accumulate(this, weights, blocks, accumulators, upcoming);
}
