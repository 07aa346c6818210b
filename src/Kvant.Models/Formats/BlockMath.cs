using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>What the formats share.</summary>
internal static class BlockMath
{
    /// <summary>Two to the power 112: what separates the exponents of half and single precision.</summary>
    internal const float HalfToSingle = 5.192296858534828e33f;

    /// <summary>The half-precision number at the start of the bytes. A cast of one Half is many times slower, and a call of it inside a
    /// loop would push the sums out of their registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float Half(ReadOnlySpan<byte> bytes)
    {
        short bits = BinaryPrimitives.ReadInt16LittleEndian(bytes);
        float number = BitConverter.Int32BitsToSingle((bits << 13) & unchecked((int)0x8FFFE000)) * HalfToSingle;
        // Infinity and NaN come out as large numbers with the right fraction.
        int special = (bits & 0x7C00) == 0x7C00 ? 0x7F800000 : 0;
        return BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(number) | special);
    }

    /// <summary>The low nibbles of 16 bytes, then the high ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<byte> Nibbles(ReadOnlySpan<byte> bytes)
    {
        Vector128<byte> packed = Vector128.Create(bytes);
        return Vector256.Create(packed & Vector128.Create((byte)15), packed >>> 4);
    }

    /// <summary>16 where a bit of the word is set, else 0: byte i for bit i.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<byte> FifthBits(ReadOnlySpan<byte> word)
    {
        const ulong Everywhere = 0x0101010101010101;
        Vector256<byte> spread = Vector256.Create(word[0] * Everywhere, word[1] * Everywhere, word[2] * Everywhere, word[3] * Everywhere).AsByte();
        Vector256<byte> bits = Vector256.Create(0x8040201008040201).AsByte();
        return Vector256.Equals(spread & bits, bits) & Vector256.Create((byte)16);
    }

    /// <summary>32 codes as floats.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static (Vector256<float> A, Vector256<float> B, Vector256<float> C, Vector256<float> D) Widen(Vector256<sbyte> codes)
    {
        (Vector256<short> lower, Vector256<short> upper) = Vector256.Widen(codes);
        (Vector256<int> a, Vector256<int> b) = Vector256.Widen(lower);
        (Vector256<int> c, Vector256<int> d) = Vector256.Widen(upper);
        return (Vector256.ConvertToSingle(a), Vector256.ConvertToSingle(b), Vector256.ConvertToSingle(c), Vector256.ConvertToSingle(d));
    }
}
