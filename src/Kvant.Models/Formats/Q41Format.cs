using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>A half-precision scale and shift, 32 codes of 4 bits.</summary>
internal sealed class Q41Format() : TensorFormat(3, "Q4_1", 32, 20)
{
    private protected override void DequantizeBlocks(ReadOnlySpan<byte> blocks, Span<float> numbers)
    {
        for (; !blocks.IsEmpty; blocks = blocks[BlockBytes..], numbers = numbers[BlockLength..])
        {
            Vector256<byte> codes = BlockMath.Nibbles(blocks[4..]);
            BlockMath.Store(codes.AsSByte(), BlockMath.Half(blocks), BlockMath.Half(blocks[2..]), numbers);
        }
    }
}
