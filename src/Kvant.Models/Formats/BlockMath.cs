using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>What the formats share.</summary>
internal static class BlockMath
{
    /// <summary>Two to the power 112: what separates the exponents of half and single precision.</summary>
    internal const float HalfToSingle = 5.192296858534828e33f;

    /// <summary>Where the bits of half precision lie in single precision, 13 places up, once their sign is spread.</summary>
    internal const int HalfBits = unchecked((int)0x8FFFE000);

    /// <summary>The half-precision number at the start of the bytes. A cast of one Half is many times slower, and a call of it inside a
    /// loop would push the sums out of their registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float Half(ReadOnlySpan<byte> bytes) => Half(BinaryPrimitives.ReadInt16LittleEndian(bytes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Half(short bits)
    {
        float number = BitConverter.Int32BitsToSingle((bits << 13) & HalfBits) * HalfToSingle;
        // Infinity and NaN come out as large numbers with the right fraction.
        int special = (bits & 0x7C00) == 0x7C00 ? 0x7F800000 : 0;
        return BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(number) | special);
    }

    /// <summary>The half-precision number at an address.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float Half(ref byte bits) => Half(Unsafe.ReadUnaligned<short>(ref bits));

    /// <summary>The bits of a half-precision number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static short Bits(ref byte block, int offset) => Unsafe.ReadUnaligned<short>(ref Unsafe.Add(ref block, offset));

    /// <summary>The bits of minus the number.</summary>
    internal static short Negative(short half) => (short)(half ^ short.MinValue);

    /// <summary>Half-precision numbers at equal distances, eight at a time.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Halves(ref byte first, int stride, int count, ref float numbers)
    {
        int at = 0;
        for (; at + 8 <= count; at += 8)
        {
            ref byte next = ref Unsafe.Add(ref first, at * stride);
            Vector128<short> bits = Vector128.Create(
                Bits(ref next, 0), Bits(ref next, stride), Bits(ref next, 2 * stride), Bits(ref next, 3 * stride),
                Bits(ref next, 4 * stride), Bits(ref next, 5 * stride), Bits(ref next, 6 * stride), Bits(ref next, 7 * stride));
            Single(Vector256.WidenLower(bits.ToVector256Unsafe())).StoreUnsafe(ref numbers, (nuint)at);
        }
        for (; at < count; at++) Unsafe.Add(ref numbers, at) = Half(Bits(ref first, at * stride));
    }

    /// <summary>The four half-precision numbers at an address.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<float> Halves(ref byte bits)
    {
        Vector128<int> halves = Vector128.WidenLower(Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<ulong>(ref bits)).AsInt16());
        Vector128<float> numbers = ((halves << 13) & Vector128.Create(HalfBits)).AsSingle() * HalfToSingle;
        Vector128<int> exponent = Vector128.Create(0x7C00);
        return numbers | (Vector128.Equals(halves & exponent, exponent) & Vector128.Create(0x7F800000)).AsSingle();
    }

    /// <summary>16 bytes as words.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<short> Words(ref byte bytes) => Vector256.WidenLower(Vector128.LoadUnsafe(ref bytes).ToVector256Unsafe()).AsInt16();

    /// <summary>16 signed bytes as words.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<short> SignedWords(ref byte bytes) => Vector256.WidenLower(Vector128.LoadUnsafe(ref bytes).ToVector256Unsafe().AsSByte());

    /// <summary>The low nibbles of 16 bytes as words, or the high ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<short> Nibbles(ref byte bytes, int high) => high == 0 ? Words(ref bytes) & Vector256.Create((short)15) : Words(ref bytes) >>> 4;

    /// <summary>16 where a bit of the 16 at an address is set, else 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<short> FifthBits(ref byte bits)
    {
        Vector256<short> each = Vector256.Create(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, short.MinValue);
        return Vector256.Equals(Vector256.Create(Unsafe.ReadUnaligned<short>(ref bits)) & each, each) & Vector256.Create((short)16);
    }

    /// <summary>32 codes as floats.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static (Vector256<float> A, Vector256<float> B, Vector256<float> C, Vector256<float> D) Widen(RunCodes codes)
    {
        (Vector256<int> a, Vector256<int> b) = Vector256.Widen(codes.First);
        (Vector256<int> c, Vector256<int> d) = Vector256.Widen(codes.Last);
        return (Vector256.ConvertToSingle(a), Vector256.ConvertToSingle(b), Vector256.ConvertToSingle(c), Vector256.ConvertToSingle(d));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Single(Vector256<int> halves)
    {
        Vector256<float> numbers = ((halves << 13) & Vector256.Create(HalfBits)).AsSingle() * HalfToSingle;
        Vector256<int> exponent = Vector256.Create(0x7C00);
        return numbers | (Vector256.Equals(halves & exponent, exponent) & Vector256.Create(0x7F800000)).AsSingle();
    }
}
