using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>The first 16 bytes of a block of Q4_K and Q5_K: half-precision factors of scales and shifts, then 12 bytes that hold eight scales and eight
/// shifts of 6 bits each.</summary>
/// <remarks>The first four of both are the low bits of bytes 0 to 7; the last four have their low nibbles in bytes 8 to 11 and
/// their upper two bits on top of the first eight bytes.</remarks>
internal static class SixBitScales
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Read(ref byte blocks, int blockBytes, int runs, ref float scales, ref float shifts)
    {
        for (int run = 0; run < runs; run += 8, blocks = ref Unsafe.Add(ref blocks, blockBytes))
        {
            Vector128<byte> units = Units(ref blocks);
            (Vector128<ushort> ofScales, Vector128<ushort> ofShifts) = Vector128.Widen(units);
            Vector128<float> factors = BlockMath.Halves(ref blocks);
            (Floats(ofScales) * Vector256.Create(factors.ToScalar())).StoreUnsafe(ref scales, (nuint)run);
            (Floats(ofShifts) * Vector256.Create(-factors.GetElement(1))).StoreUnsafe(ref shifts, (nuint)run);
        }
    }

    /// <summary>The eight scales of a block, then its eight shifts, before they meet their factors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<byte> Units(ref byte block)
    {
        // Groups of four: scales 0 to 3, scales 4 to 7, shifts 0 to 3, shifts 4 to 7.
        Vector128<byte> lowPlaces = Vector128.Create((byte)4, 5, 6, 7, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15);
        Vector128<byte> topPlaces = Vector128.Create((byte)255, 255, 255, 255, 4, 5, 6, 7, 255, 255, 255, 255, 8, 9, 10, 11);
        Vector128<uint> low = Vector128.Create(0x3F3F3F3F, 0x0F0F0F0F, 0x3F3F3F3F, 0u), high = Vector128.Create(0, 0, 0, 0x0F0F0F0Fu), top = Vector128.Create(0x30303030u);
        Vector128<byte> head = Vector128.LoadUnsafe(ref block);
        Vector128<uint> bits = Vector128.Shuffle(head, lowPlaces).AsUInt32(), tops = Vector128.Shuffle(head, topPlaces).AsUInt32();
        return ((bits & low) | ((bits >>> 4) & high) | ((tops >>> 2) & top)).AsByte();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Floats(Vector128<ushort> integers) => Vector256.ConvertToSingle(Vector256.WidenLower(integers.ToVector256Unsafe()).AsInt32());
}
