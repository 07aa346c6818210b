using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>Eight codes of b bits, between the eight bytes of one 64-bit word and b bytes without gaps.</summary>
/// <remarks>Bytes become fields of b bits: neighbors join in 16 bits, then pairs in 32, then fours in 64, three shifts and masks
/// in all. Plain integer arithmetic, the same at every width, four words at a time where registers of 256 bits are in use;
/// compiled once per b, so that shifts, masks and the size of a store are constants.</remarks>
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

    /// <summary>Packs all whole words of eight codes.</summary>
    public static void FoldMany(ReadOnlySpan<byte> codes, int bits, Span<byte> packed)
    {
        Debug.Assert(packed.Length >= codes.Length / 8 * bits, "There is no room for the codes.");
        int words = codes.Length / 8;
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
    }

    /// <summary>Unpacks all whole words of eight codes.</summary>
    public static void UnfoldMany(ReadOnlySpan<byte> packed, int bits, Span<byte> codes)
    {
        Debug.Assert(packed.Length >= codes.Length / 8 * bits, "There are fewer packed bytes than codes.");
        int words = codes.Length / 8;
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
    }

    private static void FoldMany<T>(byte* source, byte* destination, int words)
        where T : struct, IBits
    {
        int i = 0;
        if (SimdSupport.Active >= SimdWidth.Bits256 && BitConverter.IsLittleEndian)
        {
            // Four bits are the usual case and half a word: eight words narrow to one register.
            for (; T.Bits == 4 && i + 8 <= words; i += 8)
            {
                Vector256<ulong> low = Fold<T>(Vector256.Load((ulong*)(source + (8 * i)))), high = Fold<T>(Vector256.Load((ulong*)(source + (8 * i) + 32)));
                Vector256.Narrow(low, high).AsByte().Store(destination + (4 * i));
            }

            for (; i + 4 <= words; i += 4)
            {
                Vector256<ulong> folded = Fold<T>(Vector256.Load((ulong*)(source + (8 * i))));
                Store<T>(destination + (i * T.Bits), folded[0]);
                Store<T>(destination + ((i + 1) * T.Bits), folded[1]);
                Store<T>(destination + ((i + 2) * T.Bits), folded[2]);
                Store<T>(destination + ((i + 3) * T.Bits), folded[3]);
            }
        }

        for (; i < words; i++)
            Store<T>(destination + (i * T.Bits), Fold<T>(BinaryPrimitives.ReadUInt64LittleEndian(new(source + (8 * i), 8))));
    }

    private static void UnfoldMany<T>(byte* source, byte* destination, int words)
        where T : struct, IBits
    {
        for (int i = 0; i < words; i++)
            BinaryPrimitives.WriteUInt64LittleEndian(new(destination + (8 * i), 8), Unfold<T>(Load<T>(source + (i * T.Bits))));
    }

    // Writes the b low bytes of a word, and no other: at most three stores, of 4, 2 and 1 bytes.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<T>(byte* destination, ulong word)
        where T : struct, IBits
    {
        if ((T.Bits & 4) != 0)
            BinaryPrimitives.WriteUInt32LittleEndian(new(destination, 4), (uint)word);
        if ((T.Bits & 2) != 0)
            BinaryPrimitives.WriteUInt16LittleEndian(new(destination + (T.Bits & 4), 2), (ushort)(word >> (8 * (T.Bits & 4))));
        if ((T.Bits & 1) != 0)
            destination[T.Bits & 6] = (byte)(word >> (8 * (T.Bits & 6)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Load<T>(byte* source)
        where T : struct, IBits
    {
        ulong word = 0;
        if ((T.Bits & 4) != 0)
            word = BinaryPrimitives.ReadUInt32LittleEndian(new(source, 4));
        if ((T.Bits & 2) != 0)
            word |= (ulong)BinaryPrimitives.ReadUInt16LittleEndian(new(source + (T.Bits & 4), 2)) << (8 * (T.Bits & 4));
        if ((T.Bits & 1) != 0)
            word |= (ulong)source[T.Bits & 6] << (8 * (T.Bits & 6));
        return word;
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
    private static Vector256<ulong> Fold<T>(Vector256<ulong> x)
        where T : struct, IBits
    {
        Vector256<ulong> low1 = Vector256.Create(Low1<T>()), low2 = Vector256.Create(Low2<T>()), low4 = Vector256.Create(Low4<T>());
        x &= Vector256.Create(Low1<T>() | (Low1<T>() << 8));
        x = (x & low1) | Vector256.ShiftRightLogical(Vector256.AndNot(x, low1), 8 - T.Bits);
        x = (x & low2) | Vector256.ShiftRightLogical(Vector256.AndNot(x, low2), 16 - (2 * T.Bits));
        return (x & low4) | Vector256.ShiftRightLogical(Vector256.AndNot(x, low4), 32 - (4 * T.Bits));
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
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Low1<T>()
        where T : struct, IBits => ((1UL << T.Bits) - 1) * 0x0001000100010001;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Low2<T>()
        where T : struct, IBits => ((1UL << (2 * T.Bits)) - 1) * 0x0000000100000001;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Low4<T>()
        where T : struct, IBits => (1UL << (4 * T.Bits)) - 1;

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
