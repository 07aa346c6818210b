using System.Runtime.CompilerServices;

namespace Kvant.Models.Formats;

/// <summary>A half-precision scale, 32 signed bytes.</summary>
internal readonly struct Q80Format : ICodeFormat
{
    private const int Bytes = 34;

    public static uint Id => 8;

    public static string Name => "Q8_0";

    public static int BlockLength => 32;

    public static int BlockBytes => Bytes;

    public static int ScalesPerRun => 1;

    public static short Offset => 0;

    public static bool HasShifts => false;

    public static int CodeBits => 8;

    public static short Least => -128;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ReadScales(ref byte blocks, int runs, ref float scales, ref float shifts) => BlockMath.Halves(ref blocks, Bytes, runs, ref scales);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static RunCodes ReadCodes(ref byte blocks, int run)
    {
        ref byte codes = ref Unsafe.Add(ref blocks, (run * Bytes) + 2);
        return new RunCodes(BlockMath.SignedWords(ref codes), BlockMath.SignedWords(ref Unsafe.Add(ref codes, 16)));
    }

    public static (short Scale, short Shift) ReadFactors(ref byte block) => (BlockMath.Bits(ref block, 0), 0);
}
