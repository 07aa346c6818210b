using System.Buffers.Binary;
using Kvant.Kernels;

namespace Kvant.Packing;

/// <summary>
/// Codes of 1 to 8 bits side by side, no bit between them: code i lies in bits i*b to i*b + b - 1 of the row, counted from
/// the lowest bit of the first byte. A row of n codes takes ceil(n*b/8) bytes; bits behind the last code are zero.
/// </summary>
public static class BitPacking
{
    /// <summary>Bytes of a row.</summary>
    /// <param name="count">Codes in the row.</param>
    /// <param name="bits">Bits of a code, 1 to 8.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public static int ByteCount(int count, int bits)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (bits is < 1 or > 8)
            throw new ArgumentOutOfRangeException(nameof(bits), bits, "A code has 1 to 8 bits.");
        return (int)((((long)count * bits) + 7) / 8);
    }

    /// <summary>Packs a row of codes.</summary>
    /// <param name="codes">One byte per code, each below 2^bits; higher bits are cut off.</param>
    /// <param name="bits">Bits of a code, 1 to 8.</param>
    /// <param name="packed">Receives <see cref="ByteCount"/> bytes.</param>
    /// <exception cref="ArgumentException">A length or the number of bits is wrong.</exception>
    public static void Pack(ReadOnlySpan<byte> codes, int bits, Span<byte> packed)
    {
        Check(codes.Length, bits, packed.Length);
        BitFields.FoldMany(codes, bits, packed);
        if (codes.Length % 8 != 0)
            PackLast(codes, bits, packed);
    }

    /// <summary>Unpacks a row of codes.</summary>
    /// <param name="packed">What <see cref="Pack"/> wrote.</param>
    /// <param name="bits">Bits of a code, 1 to 8.</param>
    /// <param name="codes">Receives one byte per code.</param>
    /// <exception cref="ArgumentException">A length or the number of bits is wrong.</exception>
    public static void Unpack(ReadOnlySpan<byte> packed, int bits, Span<byte> codes)
    {
        Check(codes.Length, bits, packed.Length);
        BitFields.UnfoldMany(packed, bits, codes);
        if (codes.Length % 8 != 0)
            UnpackLast(packed, bits, codes);
    }

    // The last, partial word.
    private static void PackLast(ReadOnlySpan<byte> codes, int bits, Span<byte> packed)
    {
        int left = codes.Length % 8;
        Span<byte> word = stackalloc byte[8];
        word.Clear();
        codes[^left..].CopyTo(word);
        BinaryPrimitives.WriteUInt64LittleEndian(word, BitFields.Fold(BinaryPrimitives.ReadUInt64LittleEndian(word), bits));
        int start = codes.Length / 8 * bits;
        word[..(packed.Length - start)].CopyTo(packed[start..]);
    }

    private static void UnpackLast(ReadOnlySpan<byte> packed, int bits, Span<byte> codes)
    {
        int left = codes.Length % 8;
        Span<byte> word = stackalloc byte[8];
        word.Clear();
        packed[(codes.Length / 8 * bits)..].CopyTo(word);
        BinaryPrimitives.WriteUInt64LittleEndian(word, BitFields.Unfold(BinaryPrimitives.ReadUInt64LittleEndian(word), bits));
        word[..left].CopyTo(codes[^left..]);
    }

    private static void Check(int count, int bits, int bytes)
    {
        if (bytes != ByteCount(count, bits))
            throw new ArgumentException($"{count} codes of {bits} bits take {ByteCount(count, bits)} bytes; there are {bytes}.");
    }
}
