using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>Eight codes of b bits, between the eight bytes of one 64-bit word and b bytes without gaps.</summary>
/// <remarks>Bytes become fields of b bits: neighbors join in 16 bits, then pairs in 32, then fours in 64, three shifts and masks
/// in all. Plain integer arithmetic, the same at every width; compiled once per b, so that shifts and masks are constants.
/// Words are stored whole: a store may run over the next bytes, which the next store overwrites. The words at the end,
/// where there is no room for that, are the caller's.</remarks>
internal static unsafe class BitFields
{
    /// <summary>Eight bytes to b bytes, in the low end of the word.</summary>
    public static ulong Fold(ulong word, int bits) => bits switch
    {
        1 => Fold<B1>(word),
        2 => Fold<B2>(word),
        3 => Fold<B3>(word),
        4 => Fold<B4>(word),
        5 => Fold<B5>(word),
        6 => Fold<B6>(word),
        7 => Fold<B7>(word),
        _ => word,
    };

    /// <summary>b bytes in the low end of the word to eight bytes; what lies above them is ignored.</summary>
    public static ulong Unfold(ulong word, int bits) => bits switch
    {
        1 => Unfold<B1>(word),
        2 => Unfold<B2>(word),
        3 => Unfold<B3>(word),
        4 => Unfold<B4>(word),
        5 => Unfold<B5>(word),
        6 => Unfold<B6>(word),
        7 => Unfold<B7>(word),
        _ => word,
    };

    /// <summary>Packs as many whole words as leave room for whole stores.</summary>
    /// <returns>How many words.</returns>
    public static int FoldMany(ReadOnlySpan<byte> codes, int bits, Span<byte> packed)
    {
        int words = WholeWords(codes.Length, packed.Length, bits);
        fixed (byte* source = codes, destination = packed)
        {
            switch (bits)
            {
                case 1: FoldMany<B1>(source, destination, words); break;
                case 2: FoldMany<B2>(source, destination, words); break;
                case 3: FoldMany<B3>(source, destination, words); break;
                case 4: FoldMany<B4>(source, destination, words); break;
                case 5: FoldMany<B5>(source, destination, words); break;
                case 6: FoldMany<B6>(source, destination, words); break;
                case 7: FoldMany<B7>(source, destination, words); break;
                default: codes[..(8 * words)].CopyTo(packed); break;
            }
        }

        return words;
    }

    /// <summary>Unpacks as many whole words as leave room for whole loads.</summary>
    /// <returns>How many words.</returns>
    public static int UnfoldMany(ReadOnlySpan<byte> packed, int bits, Span<byte> codes)
    {
        int words = WholeWords(codes.Length, packed.Length, bits);
        fixed (byte* source = packed, destination = codes)
        {
            switch (bits)
            {
                case 1: UnfoldMany<B1>(source, destination, words); break;
                case 2: UnfoldMany<B2>(source, destination, words); break;
                case 3: UnfoldMany<B3>(source, destination, words); break;
                case 4: UnfoldMany<B4>(source, destination, words); break;
                case 5: UnfoldMany<B5>(source, destination, words); break;
                case 6: UnfoldMany<B6>(source, destination, words); break;
                case 7: UnfoldMany<B7>(source, destination, words); break;
                default: packed[..(8 * words)].CopyTo(codes); break;
            }
        }

        return words;
    }

    private static int WholeWords(int codes, int bytes, int bits) => Math.Min(codes / 8, bytes < 8 ? 0 : ((bytes - 8) / bits) + 1);

    private static void FoldMany<T>(byte* source, byte* destination, int words)
        where T : struct, IBits
    {
        for (int i = 0; i < words; i++)
            Unsafe.WriteUnaligned(destination + (i * T.Bits), Little(Fold<T>(Little(Unsafe.ReadUnaligned<ulong>(source + (8 * i))))));
    }

    private static void UnfoldMany<T>(byte* source, byte* destination, int words)
        where T : struct, IBits
    {
        for (int i = 0; i < words; i++)
            Unsafe.WriteUnaligned(destination + (8 * i), Little(Unfold<T>(Little(Unsafe.ReadUnaligned<ulong>(source + (i * T.Bits))))));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Fold<T>(ulong x)
        where T : struct, IBits
    {
        x &= Low1<T>() | (Low1<T>() << 8);
        x = (x & Low1<T>()) | ((x & ~Low1<T>()) >> (8 - T.Bits));
        x = (x & Low2<T>()) | ((x & ~Low2<T>()) >> (16 - (2 * T.Bits)));
        return (x & Low4<T>()) | ((x & ~Low4<T>()) >> (32 - (4 * T.Bits)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Unfold<T>(ulong x)
        where T : struct, IBits
    {
        x = (x & Low4<T>()) | ((x & (Low4<T>() << (4 * T.Bits))) << (32 - (4 * T.Bits)));
        x = (x & Low2<T>()) | ((x & (Low2<T>() << (2 * T.Bits))) << (16 - (2 * T.Bits)));
        return (x & Low1<T>()) | ((x & (Low1<T>() << T.Bits)) << (8 - T.Bits));
    }

    // The lowest b, 2b, 4b bits of every 16, 32, 64.
    private static ulong Low1<T>()
        where T : struct, IBits => ((1UL << T.Bits) - 1) * 0x0001000100010001;

    private static ulong Low2<T>()
        where T : struct, IBits => ((1UL << (2 * T.Bits)) - 1) * 0x0000000100000001;

    private static ulong Low4<T>()
        where T : struct, IBits => (1UL << (4 * T.Bits)) - 1;

    private static ulong Little(ulong x) => BitConverter.IsLittleEndian ? x : BinaryPrimitives.ReverseEndianness(x);

    private interface IBits
    {
        static abstract int Bits { get; }
    }

    private readonly struct B1 : IBits { public static int Bits => 1; }

    private readonly struct B2 : IBits { public static int Bits => 2; }

    private readonly struct B3 : IBits { public static int Bits => 3; }

    private readonly struct B4 : IBits { public static int Bits => 4; }

    private readonly struct B5 : IBits { public static int Bits => 5; }

    private readonly struct B6 : IBits { public static int Bits => 6; }

    private readonly struct B7 : IBits { public static int Bits => 7; }
}
