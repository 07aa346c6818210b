using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Kvant.Models.Formats;

/// <summary>Half precision.</summary>
internal sealed class F16Format() : TensorFormat(1, "F16", 1, sizeof(ushort))
{
    private protected override void DequantizeBlocks(ReadOnlySpan<byte> blocks, Span<float> numbers) =>
        TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(blocks), numbers);
}
