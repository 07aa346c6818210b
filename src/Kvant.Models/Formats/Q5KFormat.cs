using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>As Q4_K with a fifth bit: byte i of 32 holds it for number i of each of the eight runs, bit by bit.</summary>
internal readonly struct Q5KFormat : ICodeFormat
{
    private const int Bytes = 176;

    public static uint Id => 13;

    public static string Name => "Q5_K";

    public static int BlockLength => 256;

    public static int BlockBytes => Bytes;

    public static int ScalesPerRun => 1;

    public static short Offset => 0;

    public static bool HasShifts => true;

    public static int CodeBits => 5;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ReadScales(ref byte blocks, int runs, ref float scales, ref float shifts) =>
        SixBitScales.Read(ref blocks, Bytes, runs, ref scales, ref shifts);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static RunCodes ReadCodes(ref byte blocks, int run)
    {
        ref byte block = ref Unsafe.Add(ref blocks, run / 8 * Bytes);
        ref byte packed = ref Unsafe.Add(ref block, 48 + (run % 8 / 2 * 32));
        return new RunCodes(
            BlockMath.Nibbles(ref packed, run % 2) | Fifth(BlockMath.Words(ref Unsafe.Add(ref block, 16))),
            BlockMath.Nibbles(ref Unsafe.Add(ref packed, 16), run % 2) | Fifth(BlockMath.Words(ref Unsafe.Add(ref block, 32))));

        Vector256<short> Fifth(Vector256<short> bits) => ((bits << 4) >>> (run % 8)) & Vector256.Create((short)16);
    }

    public static (short Scale, short Shift) ReadFactors(ref byte block) => (BlockMath.Bits(ref block, 0), BlockMath.Negative(BlockMath.Bits(ref block, 2)));

    public static void ReadUnits(ref byte block, ref sbyte units) => SixBitScales.Units(ref block).AsSByte().StoreUnsafe(ref units);
}
