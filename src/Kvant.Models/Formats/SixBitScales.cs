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
        const uint Six = 0x3F3F3F3F, Four = 0x0F0F0F0F, Two = 0x03030303;
        for (int run = 0; run < runs; run += 8)
        {
            ref byte block = ref Unsafe.Add(ref blocks, run / 8 * blockBytes);
            uint a = Word(ref block, 4), b = Word(ref block, 8), c = Word(ref block, 12);
            ulong scale = (a & Six) | ((ulong)((c & Four) | (((a >> 6) & Two) << 4)) << 32);
            ulong shift = (b & Six) | ((ulong)(((c >> 4) & Four) | (((b >> 6) & Two) << 4)) << 32);
            (Floats(scale) * Vector256.Create(BlockMath.Half(ref block))).StoreUnsafe(ref scales, (nuint)run);
            (Floats(shift) * Vector256.Create(-BlockMath.Half(ref Unsafe.Add(ref block, 2)))).StoreUnsafe(ref shifts, (nuint)run);
        }

        static uint Word(ref byte bytes, int offset) => Unsafe.ReadUnaligned<uint>(ref Unsafe.Add(ref bytes, offset));
    }

    // Eight bytes as floats.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Floats(ulong bytes)
    {
        Vector128<ushort> shorts = Vector128.WidenLower(Vector128.CreateScalarUnsafe(bytes).AsByte());
        return Vector256.ConvertToSingle(Vector256.WidenLower(shorts.ToVector256Unsafe()).AsInt32());
    }
}
