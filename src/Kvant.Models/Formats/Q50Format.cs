using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>A half-precision scale, the fifth bits of 32 codes around 16 in one word, then their nibbles.</summary>
internal sealed class Q50Format() : TensorFormat(6, "Q5_0", 32, 22)
{
    private protected override void DequantizeBlocks(ReadOnlySpan<byte> blocks, Span<float> numbers)
    {
        for (; !blocks.IsEmpty; blocks = blocks[BlockBytes..], numbers = numbers[BlockLength..])
        {
            Vector256<byte> codes = (BlockMath.Nibbles(blocks[6..]) | BlockMath.FifthBits(blocks[2..])) - Vector256.Create((byte)16);
            BlockMath.Store(codes.AsSByte(), BlockMath.Half(blocks), 0, numbers);
        }
    }
}
