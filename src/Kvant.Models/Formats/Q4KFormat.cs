using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>256 codes of 4 bits: half-precision factors of the scales and of the shifts, 6 bits of each per 32 numbers, then the
/// nibbles; 32 bytes hold two runs of 32 numbers, low nibbles and high ones.</summary>
internal readonly struct Q4KFormat : ICodeFormat
{
    private const int Bytes = 144;

    public static uint Id => 12;

    public static string Name => "Q4_K";

    public static int BlockLength => 256;

    public static int BlockBytes => Bytes;

    public static int ScalesPerRun => 1;

    public static short Offset => 0;

    public static bool HasShifts => true;

    public static int CodeBits => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ReadScales(ref byte blocks, int runs, ref float scales, ref float shifts) =>
        SixBitScales.Read(ref blocks, Bytes, runs, ref scales, ref shifts);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static RunCodes ReadCodes(ref byte blocks, int run)
    {
        ref byte packed = ref Unsafe.Add(ref blocks, (run / 8 * Bytes) + 16 + (run % 8 / 2 * 32));
        return new RunCodes(BlockMath.Nibbles(ref packed, run % 2), BlockMath.Nibbles(ref Unsafe.Add(ref packed, 16), run % 2));
    }

    public static (short Scale, short Shift) ReadFactors(ref byte block) => (BlockMath.Bits(ref block, 0), BlockMath.Negative(BlockMath.Bits(ref block, 2)));

    public static void ReadUnits(ref byte block, ref sbyte units) => SixBitScales.Units(ref block).AsSByte().StoreUnsafe(ref units);
}
