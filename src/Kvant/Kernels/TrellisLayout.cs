using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>
/// Where the codes of a tile of trellis codes lie. A level is a window of eight bits of a row's stream, so a row's bits stay together: a unit holds of
/// each of 32 rows the <em>piece</em> of 16 neighboring codes, 2 bytes for each bit of a code. No bit is lost, and none is stored twice.
/// </summary>
/// <remarks>
/// <para>Values: the pieces one after the other. Keys: 32-bit lanes are rows, 16 rows to a register of 64 bytes. Four bits: registers 2h and 2h + 1 hold
/// the lower and upper half of the pieces of rows 16h to 16h + 15; two bits: register h holds them whole; three bits: register h holds the lower 32
/// bits, and register 2 the upper 16 of row i below those of row 16 + i; one bit: the pieces of rows i and 16 + i share a lane.</para>
/// </remarks>
internal static unsafe class TrellisLayout
{
    private const int Half = TileLayout.Rows / 2;

    /// <summary>Puts the codes of a tile where the kernels read them.</summary>
    /// <param name="codes">[row, coordinate], one byte each, below 2^bits.</param>
    /// <param name="dimension">Numbers in a row, a multiple of 16.</param>
    /// <param name="bits">1 to 4.</param>
    /// <param name="keys">The order of keys; else of values.</param>
    /// <param name="units">Receives the units, <see cref="TileLayout.UnitBytes"/> each.</param>
    public static void Pack(ReadOnlySpan<byte> codes, int dimension, int bits, bool keys, Span<byte> units)
    {
        Debug.Assert(codes.Length == TileLayout.Rows * dimension && dimension % TileLayout.Coordinates == 0, "A tile is 32 rows of whole units.");
        fixed (byte* from = codes, to = units)
        {
            for (int at = 0; at < codes.Length; at += TileLayout.Coordinates)
            {
                ulong low = BitFields.Fold(*(ulong*)(from + at), bits), high = BitFields.Fold(*(ulong*)(from + at + 8), bits);
                Place(to + (at % dimension / TileLayout.Coordinates * TileLayout.UnitBytes(bits)), at / dimension, bits, keys, low | (high << (8 * bits)));
            }
        }
    }

    /// <summary>The inverse of <see cref="Pack"/>.</summary>
    public static void Unpack(ReadOnlySpan<byte> units, int dimension, int bits, bool keys, Span<byte> codes)
    {
        fixed (byte* from = units, to = codes)
        {
            for (int at = 0; at < codes.Length; at += TileLayout.Coordinates)
            {
                ulong piece = Piece(from + (at % dimension / TileLayout.Coordinates * TileLayout.UnitBytes(bits)), at / dimension, bits, keys);
                *(ulong*)(to + at) = BitFields.Unfold(piece, bits);
                *(ulong*)(to + at + 8) = BitFields.Unfold(piece >> (8 * bits), bits);
            }
        }
    }

    /// <summary>The piece of a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Piece(byte* unit, int row, int bits, bool keys)
    {
        byte* lane = unit + (row % Half * sizeof(uint));
        int half = row / Half;
        return (keys, bits) switch
        {
            (true, 1) => *(ushort*)(lane + (2 * half)),
            (true, 2) => *(uint*)(lane + (64 * half)),
            (true, 3) => *(uint*)(lane + (64 * half)) | ((ulong)*(ushort*)(lane + 128 + (2 * half)) << 32),
            (true, _) => *(uint*)(lane + (128 * half)) | ((ulong)*(uint*)(lane + 64 + (128 * half)) << 32),
            (_, 1) => *(ushort*)(unit + (2 * row)),
            (_, 2) => *(uint*)(unit + (4 * row)),
            (_, 3) => *(uint*)(unit + (6 * row)) | ((ulong)*(ushort*)(unit + (6 * row) + 4) << 32),
            _ => *(ulong*)(unit + (8 * row)),
        };
    }

    private static void Place(byte* unit, int row, int bits, bool keys, ulong piece)
    {
        byte* lane = keys ? unit + (row % Half * sizeof(uint)) : unit + (2 * bits * row);
        int half = keys ? row / Half : 0;
        switch (bits)
        {
            case 1:
                *(ushort*)(lane + (2 * half)) = (ushort)piece;
                break;
            case 2:
                *(uint*)(lane + (64 * half)) = (uint)piece;
                break;
            case 3:
                *(uint*)(lane + (64 * half)) = (uint)piece;
                *(ushort*)(lane + (keys ? 128 + (2 * half) : 4)) = (ushort)(piece >> 32);
                break;
            default:
                *(uint*)(lane + (128 * half)) = (uint)piece;
                *(uint*)(lane + (128 * half) + (keys ? 64 : 4)) = (uint)(piece >> 32);
                break;
        }
    }
}
