using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>A half-precision scale and shift, 32 codes of 4 bits.</summary>
internal readonly struct Q41Format : ICodeFormat
{
    private const int Bytes = 20;

    public static uint Id => 3;

    public static string Name => "Q4_1";

    public static int BlockLength => 32;

    public static int BlockBytes => Bytes;

    public static int ScalesPerRun => 1;

    public static short Offset => 0;

    public static bool HasShifts => true;

    public static int CodeBits => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ReadScales(ref byte blocks, int runs, ref float scales, ref float shifts)
    {
        BlockMath.Halves(ref blocks, Bytes, runs, ref scales);
        BlockMath.Halves(ref Unsafe.Add(ref blocks, sizeof(ushort)), Bytes, runs, ref shifts);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static RunCodes ReadCodes(ref byte blocks, int run)
    {
        Vector256<short> packed = BlockMath.Words(ref Unsafe.Add(ref blocks, (run * Bytes) + 4));
        return new RunCodes(packed & Vector256.Create((short)15), packed >>> 4);
    }

    public static (short Scale, short Shift) ReadFactors(ref byte block) => (BlockMath.Bits(ref block, 0), BlockMath.Bits(ref block, 2));
}
