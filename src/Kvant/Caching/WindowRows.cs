using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Kvant.Codecs;
using Kvant.Kernels;

namespace Kvant.Caching;

/// <summary>Rows in sinks and window: what the codecs fp16 and fp32 write and read, for many rows at once and without their checks, which the
/// door has made already.</summary>
internal static class WindowRows
{
    /// <summary>Numbers from here on become infinite in half precision.</summary>
    public const float HalfOverflow = 65520;

    /// <summary>Whether a window codec stores half precision; the other choice is 32 bits.</summary>
    public static bool IsHalf(Codec window) => window.BytesPerBlock == 2 * window.Dimension;

    public static void Store(ReadOnlySpan<float> numbers, bool half, Span<byte> stored)
    {
        if (half)
            Halves.Round(numbers, MemoryMarshal.Cast<byte, ushort>(stored));
        else
            MemoryMarshal.AsBytes(numbers).CopyTo(stored);
    }

    public static void Load(ReadOnlySpan<byte> stored, bool half, Span<float> numbers)
    {
        if (half)
            Halves.Widen(MemoryMarshal.Cast<byte, ushort>(stored), numbers);
        else
            stored.CopyTo(MemoryMarshal.AsBytes(numbers));
    }

    /// <summary>As <see cref="Load"/> for bytes from outside: infinities and NaN come out as such.</summary>
    public static void LoadUntrusted(ReadOnlySpan<byte> stored, bool half, Span<float> numbers)
    {
        if (half)
            TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(stored), numbers);
        else
            Load(stored, half, numbers);
    }
}
