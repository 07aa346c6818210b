using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Kvant.Kernels;

namespace Kvant.Codecs;

/// <summary>Numbers that a block stores as IEEE half precision: scales, zero points.</summary>
internal static class Fp16
{
    /// <summary>Bytes of one number.</summary>
    public const int Bytes = 2;

    /// <summary>The largest float that rounds to a finite half.</summary>
    public static float Largest { get; } = MathF.BitDecrement(65520);

    /// <summary>Writes a number and returns what will be read back.</summary>
    /// <exception cref="ArgumentException">It is too large for half precision.</exception>
    public static float Write(Span<byte> destination, float value)
    {
        Half half = (Half)value;
        if (!Half.IsFinite(half))
            throw TooLarge();
        BinaryPrimitives.WriteHalfLittleEndian(destination, half);
        return (float)half;
    }

    /// <summary>Rounds many numbers at once, several times faster than one by one.</summary>
    /// <exception cref="ArgumentException">One of them is too large for half precision.</exception>
    public static void Round(ReadOnlySpan<float> values, Span<Half> halves)
    {
        if (!Halves.AreAtMost(values, Largest))
            throw TooLarge();
        Halves.Round(values, MemoryMarshal.Cast<Half, ushort>(halves));
    }

    /// <summary>Writes a positive number, rounded up, and returns what will be read back.</summary>
    /// <exception cref="ArgumentException">It is too large for half precision.</exception>
    public static float WriteUp(Span<byte> destination, float value)
    {
        float rounded = Write(destination, value);
        return rounded >= value ? rounded : Write(destination, (float)Half.BitIncrement((Half)rounded));
    }

    /// <summary>Reads a number.</summary>
    public static float Read(ReadOnlySpan<byte> source) => (float)BinaryPrimitives.ReadHalfLittleEndian(source);

    private static ArgumentException TooLarge() => new("the row is too large: its scale does not fit fp16, whose largest number is 65504.");
}
