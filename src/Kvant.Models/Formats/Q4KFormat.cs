using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>256 codes of 4 bits: half-precision factors of the scales and of the shifts, 6 bits of each per 32 numbers, then the
/// nibbles; 32 bytes hold two runs of 32 numbers, low nibbles and high ones.</summary>
internal sealed class Q4KFormat() : TensorFormat(12, "Q4_K", 256, 144)
{
    private protected override void DequantizeBlocks(ReadOnlySpan<byte> blocks, Span<float> numbers)
    {
        for (; !blocks.IsEmpty; blocks = blocks[BlockBytes..], numbers = numbers[BlockLength..])
        {
            float scaleUnit = BlockMath.Half(blocks), shiftUnit = BlockMath.Half(blocks[2..]);
            for (int run = 0; run < 8; run += 2)
            {
                Vector256<byte> packed = Vector256.Create(blocks[(16 + (16 * run))..]);
                (int scale, int shift) = SixBitScales.Read(blocks[4..], run);
                BlockMath.Store((packed & Vector256.Create((byte)15)).AsSByte(), scaleUnit * scale, -(shiftUnit * shift), numbers[(32 * run)..]);
                (scale, shift) = SixBitScales.Read(blocks[4..], run + 1);
                BlockMath.Store((packed >>> 4).AsSByte(), scaleUnit * scale, -(shiftUnit * shift), numbers[(32 * (run + 1))..]);
            }
        }
    }
}
