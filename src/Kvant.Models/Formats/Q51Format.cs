using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>A half-precision scale and shift, the fifth bits of 32 codes in one word, then their nibbles.</summary>
internal sealed class Q51Format() : TensorFormat(7, "Q5_1", 32, 24)
{
    private protected override void DequantizeBlocks(ReadOnlySpan<byte> blocks, Span<float> numbers)
    {
        for (; !blocks.IsEmpty; blocks = blocks[BlockBytes..], numbers = numbers[BlockLength..])
        {
            Vector256<byte> codes = BlockMath.Nibbles(blocks[8..]) | BlockMath.FifthBits(blocks[4..]);
            BlockMath.Store(codes.AsSByte(), BlockMath.Half(blocks), BlockMath.Half(blocks[2..]), numbers);
        }
    }
}
