using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>What the block formats share: 32 small integers at a time become numbers by a scale and a shift.</summary>
internal static class BlockMath
{
    internal const int Codes = 32;

    /// <summary>Two to the power 112: what separates the exponents of half and single precision.</summary>
    private const float HalfToSingle = 5.192296858534828e33f;

    /// <summary>The half-precision number at the start of the bytes. A cast of one Half is many times slower.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float Half(ReadOnlySpan<byte> bytes)
    {
        ushort bits = BinaryPrimitives.ReadUInt16LittleEndian(bytes);
        if ((bits & 0x7C00) == 0x7C00) return (float)BitConverter.UInt16BitsToHalf(bits);
        return BitConverter.Int32BitsToSingle(((short)bits << 13) & unchecked((int)0x8FFFE000)) * HalfToSingle;
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

    /// <summary>numbers[i] = codes[i] * scale + shift.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Store(Vector256<sbyte> codes, float scale, float shift, Span<float> numbers) => Store(codes, scale, scale, shift, numbers);

    /// <summary>As above, with a scale of its own for the last 16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Store(Vector256<sbyte> codes, float scale, float lastScale, float shift, Span<float> numbers)
    {
        ref float destination = ref MemoryMarshal.GetReference(numbers[..Codes]);
        Vector256<float> first = Vector256.Create(scale), last = Vector256.Create(lastScale), add = Vector256.Create(shift);
        (Vector256<short> lower, Vector256<short> upper) = Vector256.Widen(codes);
        (Vector256<int> a, Vector256<int> b) = Vector256.Widen(lower);
        (Vector256<int> c, Vector256<int> d) = Vector256.Widen(upper);
        ((Vector256.ConvertToSingle(a) * first) + add).StoreUnsafe(ref destination, 0);
        ((Vector256.ConvertToSingle(b) * first) + add).StoreUnsafe(ref destination, 8);
        ((Vector256.ConvertToSingle(c) * last) + add).StoreUnsafe(ref destination, 16);
        ((Vector256.ConvertToSingle(d) * last) + add).StoreUnsafe(ref destination, 24);
    }
}
