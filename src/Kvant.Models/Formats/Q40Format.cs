using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>A half-precision scale, 32 codes of 4 bits around 8: low nibbles first, then high ones.</summary>
internal readonly struct Q40Format : ICodeFormat
{
    private const int Bytes = 18;

    public static uint Id => 2;

    public static string Name => "Q4_0";

    public static int BlockLength => 32;

    public static int BlockBytes => Bytes;

    public static int ScalesPerRun => 1;

    public static short Offset => 8;

    public static bool HasShifts => false;

    public static int CodeBits => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ReadScales(ref byte blocks, int runs, ref float scales, ref float shifts) => BlockMath.Halves(ref blocks, Bytes, runs, ref scales);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static RunCodes ReadCodes(ref byte blocks, int run)
    {
        Vector256<short> packed = BlockMath.Words(ref Unsafe.Add(ref blocks, (run * Bytes) + 2));
        return new RunCodes(packed & Vector256.Create((short)15), packed >>> 4);
    }

    public static (short Scale, short Shift) ReadFactors(ref byte block) => (BlockMath.Bits(ref block, 0), 0);
}
