using System.Runtime.InteropServices;

namespace Kvant.Models.Formats;

/// <summary>Single precision.</summary>
internal sealed class F32Format() : TensorFormat(0, "F32", 1, sizeof(float))
{
    private protected override void DequantizeBlocks(ReadOnlySpan<byte> blocks, Span<float> numbers) => blocks.CopyTo(MemoryMarshal.AsBytes(numbers));
}
