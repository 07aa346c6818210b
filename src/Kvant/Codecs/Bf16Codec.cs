using System.Buffers.Binary;
using Kvant.Kernels;

namespace Kvant.Codecs;

/// <summary>bfloat16: the upper half of a 32-bit float, rounded to nearest even. The range of fp32 with 8 bits of precision.</summary>
internal sealed class Bf16Codec(int dimension) : Codec(dimension, 1, 2 * dimension)
{
    public static CodecMethod Method { get; } = new("bf16", "bfloat16: the range of 32-bit floats, less precision than fp16", [], (_, d, _) => new Bf16Codec(d));

    protected override void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block)
    {
        for (int i = 0; i < rows.Length; i++)
        {
            uint bits = BitConverter.SingleToUInt32Bits(rows[i]);
            uint rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
            if ((rounded & 0x7F80) == 0x7F80)
                throw new ArgumentException($"{rows[i]} does not fit bf16; it would become infinite.");
            BinaryPrimitives.WriteUInt16LittleEndian(block[(2 * i)..], (ushort)rounded);
        }
    }

    protected override void DecodeBlock(ReadOnlySpan<byte> block, Span<float> rows)
    {
        for (int i = 0; i < rows.Length; i++)
            rows[i] = BitConverter.UInt32BitsToSingle((uint)BinaryPrimitives.ReadUInt16LittleEndian(block[(2 * i)..]) << 16);
    }

    protected override void ScoreBlocks(PreparedQueries prepared, ReadOnlySpan<byte> blocks, Span<float> scores, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming) =>
        RowAttention.Score<BrainFloatRows>(this, prepared, blocks, scores, upcoming);

    protected override void AccumulateBlocks(
        ReadOnlySpan<float> weights, ReadOnlySpan<byte> blocks, Span<float> accumulators, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming) =>
        RowAttention.Accumulate<BrainFloatRows>(this, weights, blocks, accumulators, upcoming);
}
