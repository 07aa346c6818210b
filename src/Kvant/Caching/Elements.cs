using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Kvant.Caching;

/// <summary>32-bit floats.</summary>
internal readonly struct SingleElements : IElements<float>
{
    public static ReadOnlySpan<float> Floats(ReadOnlySpan<float> numbers, Span<float> scratch) => numbers;
}

/// <summary>IEEE half precision.</summary>
internal readonly struct HalfElements : IElements<Half>
{
    public static ReadOnlySpan<float> Floats(ReadOnlySpan<Half> numbers, Span<float> scratch)
    {
        TensorPrimitives.ConvertToSingle(numbers, scratch);
        return scratch[..numbers.Length];
    }
}

/// <summary>bfloat16: the upper half of a 32-bit float.</summary>
internal readonly struct BFloat16Elements : IElements<ushort>
{
    public static ReadOnlySpan<float> Floats(ReadOnlySpan<ushort> numbers, Span<float> scratch)
    {
        Span<uint> bits = MemoryMarshal.Cast<float, uint>(scratch[..numbers.Length]);
        TensorPrimitives.ConvertTruncating(numbers, bits);
        TensorPrimitives.ShiftLeft<uint>(bits, 16, bits);
        return scratch[..numbers.Length];
    }
}
