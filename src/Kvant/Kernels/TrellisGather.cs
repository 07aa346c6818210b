using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvant.Kernels;

/// <summary>Levels of the trellis codes of values by the byte permutes of AVX-512 VBMI.</summary>
/// <remarks>
/// Four rows of 16 coordinates fill a register. One permute brings to each lane of 32 bits the bytes of one row that hold the windows of four coordinates
/// (of the unit before where they begin there), one multishift cuts the windows out, two permutes and a choice look them up, and a last permute brings the four
/// rows of a coordinate into one lane.
/// </remarks>
internal static unsafe class TrellisGather
{
    private const int R = TileLayout.RegisterBytes;
    private const int Registers = 8;

    /// <summary>Bytes of patterns: the permutes of eight registers, the multishift, the last permute.</summary>
    public const int PatternBytes = (Registers + 2) * R;

    /// <summary>The levels of a unit: eight registers of four rows each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LookUp<TBits>(byte* unit, byte* before, byte* tables, Vector512<byte> t0, Vector512<byte> t1, Vector512<byte> t2, Vector512<byte> t3, byte* levels)
        where TBits : ICount
    {
        byte* patterns = tables + TileTable.PatternsAt;
        Vector512<byte> cut = Vector512.Load(patterns + (Registers * R)), turn = Vector512.Load(patterns + ((Registers + 1) * R));
        for (int register = 0; register < Registers; register++)
        {
            int start = Start(TBits.Value, register);
            Vector512<byte> lanes = Avx512Vbmi.PermuteVar64x8x2(Vector512.Load(unit + start), Vector512.Load(patterns + (register * R)), Vector512.Load(before + start));
            Vector512<byte> windows = Avx512Vbmi.MultiShift(cut, lanes.AsUInt64());
            Avx512Vbmi.PermuteVar64x8(TrellisWindows.Levels(windows, t0, t1, t2, t3), turn).Store(levels + (register * R));
        }
    }

    // Where a register of the unit is loaded from, so that nothing is read behind the unit.
    private static int Start(int bits, int register) => Math.Min(8 * bits * register, (bits - 1) * R);

    /// <summary>Writes the patterns of a number of bits.</summary>
    public static void WritePatterns(int bits, Span<byte> patterns)
    {
        for (int lane = 0; lane < 16; lane++)
        {
            int row = lane / 4, firstBit = (4 * bits * (lane % 4)) + bits - 8, firstByte = firstBit >> 3;
            for (int b = 0; b < 4; b++)
            {
                for (int register = 0; register < Registers; register++)
                {
                    // Bytes behind the piece are needed by no window.
                    int piece = (8 * bits * register) - Start(bits, register) + (2 * bits * row), at = firstByte + b;
                    patterns[(register * R) + (4 * lane) + b] = (byte)(at < 0 ? R + piece + (2 * bits) - 1 : piece + Math.Min(at, (2 * bits) - 1));
                }

                patterns[(Registers * R) + (4 * lane) + b] = (byte)((lane % 2 * 32) + (firstBit & 7) + (b * bits));
            }
        }

        for (int i = 0; i < R; i++)
            patterns[((Registers + 1) * R) + i] = (byte)((i % 4 * 16) + (i / 4));
    }
}
