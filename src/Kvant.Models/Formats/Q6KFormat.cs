using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>256 codes of 6 bits around 32: 128 bytes of nibbles, 64 bytes of upper two bits, a signed byte of scale per 16 numbers
/// and a half-precision factor of the scales.</summary>
/// <remarks>Each half of the block holds four runs of 32: low nibbles of two times 32 bytes, then their high nibbles; 32 bytes hold the
/// upper bits of the four runs, two bits each.</remarks>
internal readonly struct Q6KFormat : ICodeFormat
{
    private const int Bytes = 210;

    public static uint Id => 14;

    public static string Name => "Q6_K";

    public static int BlockLength => 256;

    public static int BlockBytes => Bytes;

    public static int ScalesPerRun => 2;

    public static short Offset => 0;

    public static bool HasShifts => false;

    public static int CodeBits => 6;

    public static short Least => -32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ReadScales(ref byte blocks, int runs, ref float scales, ref float shifts)
    {
        for (int run = 0; run < runs; run += 8)
        {
            ref byte block = ref Unsafe.Add(ref blocks, run / 8 * Bytes);
            Vector256<float> unit = Vector256.Create(BlockMath.Half(ref Unsafe.Add(ref block, 208)));
            Vector256<short> units = BlockMath.SignedWords(ref Unsafe.Add(ref block, 192));
            (Vector256.ConvertToSingle(Vector256.WidenLower(units)) * unit).StoreUnsafe(ref scales, (nuint)(2 * run));
            (Vector256.ConvertToSingle(Vector256.WidenUpper(units)) * unit).StoreUnsafe(ref scales, (nuint)((2 * run) + 8));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static RunCodes ReadCodes(ref byte blocks, int run)
    {
        int half = run % 8 / 4, place = run % 4;
        ref byte block = ref Unsafe.Add(ref blocks, run / 8 * Bytes);
        Vector256<ushort> packed = Vector256.LoadUnsafe(ref Unsafe.Add(ref block, (64 * half) + (32 * (place % 2)))).AsUInt16();
        Vector256<ushort> upper = Vector256.LoadUnsafe(ref Unsafe.Add(ref block, 128 + (32 * half))).AsUInt16();
        // Bits that a shift brings over from the neighboring byte are masked off.
        Vector256<byte> nibbles = (place < 2 ? packed : packed >>> 4).AsByte() & Vector256.Create((byte)15);
        Vector256<byte> top = (place < 2 ? upper << (4 - (2 * place)) : upper >>> ((2 * place) - 4)).AsByte() & Vector256.Create((byte)48);
        (Vector256<short> first, Vector256<short> last) = Vector256.Widen(((nibbles | top) - Vector256.Create((byte)32)).AsSByte());
        return new RunCodes(first, last);
    }

    public static (short Scale, short Shift) ReadFactors(ref byte block) => (BlockMath.Bits(ref block, 208), 0);

    public static void ReadUnits(ref byte block, ref sbyte units) => Vector128.LoadUnsafe(ref Unsafe.Add(ref block, 192)).AsSByte().StoreUnsafe(ref units);
}
