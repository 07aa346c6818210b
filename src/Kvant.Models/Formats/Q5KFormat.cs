using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>As Q4_K with a fifth bit: byte i of 32 holds it for number i of each of the eight runs, bit by bit.</summary>
internal sealed class Q5KFormat() : TensorFormat(13, "Q5_K", 256, 176)
{
    private protected override void DequantizeBlocks(ReadOnlySpan<byte> blocks, Span<float> numbers)
    {
        for (; !blocks.IsEmpty; blocks = blocks[BlockBytes..], numbers = numbers[BlockLength..])
        {
            float scaleUnit = BlockMath.Half(blocks), shiftUnit = BlockMath.Half(blocks[2..]);
            Vector256<byte> fifths = Vector256.Create(blocks[16..]);
            for (int run = 0; run < 8; run++)
            {
                Vector256<byte> packed = Vector256.Create(blocks[(48 + (run / 2 * 32))..]);
                Vector256<byte> codes = (run % 2 == 0 ? packed & Vector256.Create((byte)15) : packed >>> 4)
                    | (((fifths >>> run) & Vector256.Create((byte)1)) << 4);
                (int scale, int shift) = SixBitScales.Read(blocks[4..], run);
                BlockMath.Store(codes.AsSByte(), scaleUnit * scale, -(shiftUnit * shift), numbers[(32 * run)..]);
            }
        }
    }
}
