using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>A half-precision scale, 32 signed bytes.</summary>
internal sealed class Q80Format() : TensorFormat(8, "Q8_0", 32, 34)
{
    private protected override void DequantizeBlocks(ReadOnlySpan<byte> blocks, Span<float> numbers)
    {
        for (; !blocks.IsEmpty; blocks = blocks[BlockBytes..], numbers = numbers[BlockLength..])
        {
            float scale = BlockMath.Half(blocks);
            BlockMath.Store(Vector256.Create(blocks[2..]).AsSByte(), scale, 0, numbers);
        }
    }
}
