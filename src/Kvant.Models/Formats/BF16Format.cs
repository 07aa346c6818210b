using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Kvant.Models.Formats;

/// <summary>bfloat16: the upper half of a single-precision number.</summary>
internal sealed class BF16Format() : TensorFormat(30, "BF16", 1, sizeof(ushort))
{
    private protected override void DequantizeBlocks(ReadOnlySpan<byte> blocks, Span<float> numbers)
    {
        Span<uint> words = MemoryMarshal.Cast<float, uint>(numbers);
        TensorPrimitives.ConvertTruncating(MemoryMarshal.Cast<byte, ushort>(blocks), words);
        TensorPrimitives.ShiftLeft<uint>(words, 16, words);
    }
}
