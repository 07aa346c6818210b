using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>A half-precision scale, the fifth bits of 32 codes around 16 in one word, then their nibbles.</summary>
internal readonly struct Q50Format : ICodeFormat
{
    private const int Bytes = 22;

    public static uint Id => 6;

    public static string Name => "Q5_0";

    public static int BlockLength => 32;

    public static int BlockBytes => Bytes;

    public static int ScalesPerRun => 1;

    public static short Offset => 16;

    public static bool HasShifts => false;

    public static int CodeBits => 5;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ReadScales(ref byte blocks, int runs, ref float scales, ref float shifts) => BlockMath.Halves(ref blocks, Bytes, runs, ref scales);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static RunCodes ReadCodes(ref byte blocks, int run)
    {
        ref byte block = ref Unsafe.Add(ref blocks, run * Bytes);
        Vector256<short> packed = BlockMath.Words(ref Unsafe.Add(ref block, 6));
        return new RunCodes(
            (packed & Vector256.Create((short)15)) | BlockMath.FifthBits(ref Unsafe.Add(ref block, 2)), (packed >>> 4) | BlockMath.FifthBits(ref Unsafe.Add(ref block, 4)));
    }

    public static (short Scale, short Shift) ReadFactors(ref byte block) => (BlockMath.Bits(ref block, 0), 0);
}
