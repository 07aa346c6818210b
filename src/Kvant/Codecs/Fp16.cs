using System.Buffers.Binary;

namespace Kvant.Codecs;

/// <summary>Numbers that a block stores as IEEE half precision: scales, zero points.</summary>
internal static class Fp16
{
    /// <summary>Bytes of one number.</summary>
    public const int Bytes = 2;

    /// <summary>Writes a number and returns what will be read back.</summary>
    /// <exception cref="ArgumentException">It is too large for half precision.</exception>
    public static float Write(Span<byte> destination, float value)
    {
        Half half = (Half)value;
        if (!Half.IsFinite(half))
            throw new ArgumentException("the row is too large: its scale does not fit fp16, whose largest number is 65504.");
        BinaryPrimitives.WriteHalfLittleEndian(destination, half);
        return (float)half;
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
}
