using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>A half-precision scale, 32 codes of 4 bits around 8: low nibbles first, then high ones.</summary>
internal sealed class Q40Format() : TensorFormat(2, "Q4_0", 32, 18)
{
    private protected override void DequantizeBlocks(ReadOnlySpan<byte> blocks, Span<float> numbers)
    {
        for (; !blocks.IsEmpty; blocks = blocks[BlockBytes..], numbers = numbers[BlockLength..])
        {
            Vector256<byte> codes = BlockMath.Nibbles(blocks[2..]) - Vector256.Create((byte)8);
            BlockMath.Store(codes.AsSByte(), BlockMath.Half(blocks), 0, numbers);
        }
    }
}
