using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Kvant.Kernels;

/// <summary>
/// Where the codes of a tile lie. A tile is 32 rows; a <em>unit</em> of it is 16 neighboring coordinates of all 32 rows: 512 codes, the bytes
/// of eight registers of 64 bytes, which are stored in as many registers as a code has bits.
/// </summary>
/// <remarks>
/// <para>Keys: register 4h + k, lane i (32 bits) holds coordinates 4k to 4k + 3 of row 16h + i, so that scores add up down the lanes
/// and come out side by side. Values: register r, lane i holds coordinate i of rows 4r to 4r + 3, so that four weights are one
/// word for all lanes. Either way the four codes of a lane meet four bytes of the other operand in one multiply-add.</para>
/// <para>Stored registers: at 4 bits s holds 2s in the low half of each byte and 2s + 1 in the high one; at 2 bits s holds 4s to
/// 4s + 3, lowest first; at 1 bit the one holds all eight; at 3 bits s holds 2s and 2s + 1 in six bits, and the two bits above are, from the lowest, two bits each
/// of register 6 + 8 x register 7. No bit is lost: 32 rows take exactly the bytes that they take one by one.</para>
/// </remarks>
internal static unsafe class TileLayout
{
    /// <summary>Rows of a tile.</summary>
    public const int Rows = 32;

    /// <summary>Coordinates of a unit.</summary>
    public const int Coordinates = 16;

    /// <summary>Bytes of a register of a unit, whatever the width of the machine's registers.</summary>
    public const int RegisterBytes = 64;

    /// <summary>Codes of a unit.</summary>
    public const int UnitCodes = Rows * Coordinates;

    private const int Registers = 8;
    private const int WordsPerRegister = RegisterBytes / sizeof(ulong);

    /// <summary>Bytes of a unit.</summary>
    public static int UnitBytes(int bits) => bits * RegisterBytes;

    /// <summary>Puts the codes of a tile where the kernels read them.</summary>
    /// <param name="codes">[row, coordinate], one byte each, below 2^bits.</param>
    /// <param name="dimension">Numbers in a row, a multiple of 16.</param>
    /// <param name="bits">1 to 4.</param>
    /// <param name="keys">The order of keys; else of values.</param>
    /// <param name="units">Receives the units, <see cref="UnitBytes"/> each.</param>
    public static void Pack(ReadOnlySpan<byte> codes, int dimension, int bits, bool keys, Span<byte> units)
    {
        Debug.Assert(codes.Length == Rows * dimension && dimension % Coordinates == 0, "A tile is 32 rows of whole units.");
        ulong* registers = stackalloc ulong[Registers * WordsPerRegister];
        fixed (byte* source = codes, destination = units)
        {
            for (int unit = 0; unit < dimension / Coordinates; unit++)
            {
                byte* from = source + (unit * Coordinates);
                if (keys)
                    GatherKeys(from, dimension, (byte*)registers);
                else
                    GatherValues(from, dimension, (byte*)registers);
                Fold(registers, bits, (ulong*)(destination + (unit * UnitBytes(bits))));
            }
        }
    }

    /// <summary>The inverse of <see cref="Pack"/>.</summary>
    public static void Unpack(ReadOnlySpan<byte> units, int dimension, int bits, bool keys, Span<byte> codes)
    {
        ulong* registers = stackalloc ulong[Registers * WordsPerRegister];
        fixed (byte* source = units, destination = codes)
        {
            for (int unit = 0; unit < dimension / Coordinates; unit++)
            {
                Unfold((ulong*)(source + (unit * UnitBytes(bits))), bits, registers);
                byte* to = destination + (unit * Coordinates);
                if (keys)
                    ScatterKeys((byte*)registers, to, dimension);
                else
                    ScatterValues((byte*)registers, to, dimension);
            }
        }
    }

    /// <summary>Which register of a unit, and which of its bytes, holds a code: the definition of the layout.</summary>
    public static (int Register, int Byte) Place(int row, int coordinate, bool keys) => keys
        ? ((row / 16 * 4) + (coordinate / 4), (4 * (row % 16)) + (coordinate % 4))
        : (row / 4, (4 * coordinate) + (row % 4));

    private static void GatherKeys(byte* codes, int stride, byte* registers)
    {
        for (int row = 0; row < Rows; row++)
        {
            uint* from = (uint*)(codes + (row * stride));
            byte* to = registers + Offset(row);
            *(uint*)to = from[0];
            *(uint*)(to + RegisterBytes) = from[1];
            *(uint*)(to + (2 * RegisterBytes)) = from[2];
            *(uint*)(to + (3 * RegisterBytes)) = from[3];
        }
    }

    private static void ScatterKeys(byte* registers, byte* codes, int stride)
    {
        for (int row = 0; row < Rows; row++)
        {
            byte* from = registers + Offset(row);
            uint* to = (uint*)(codes + (row * stride));
            to[0] = *(uint*)from;
            to[1] = *(uint*)(from + RegisterBytes);
            to[2] = *(uint*)(from + (2 * RegisterBytes));
            to[3] = *(uint*)(from + (3 * RegisterBytes));
        }
    }

    // The lane of a row of keys in the first of its four registers.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Offset(int row) => (row / 16 * 4 * RegisterBytes) + (row % 16 * sizeof(uint));

    // Four rows of 16 bytes to 16 lanes of four, by widening twice.
    private static void GatherValues(byte* codes, int stride, byte* registers)
    {
        for (int r = 0; r < Registers; r++, codes += 4 * stride, registers += RegisterBytes)
        {
            Vector128<byte> a = Vector128.Load(codes), b = Vector128.Load(codes + stride);
            Vector128<byte> c = Vector128.Load(codes + (2 * stride)), d = Vector128.Load(codes + (3 * stride));
            Vector128<ushort> abLow = Vector128.WidenLower(a) | (Vector128.WidenLower(b) << 8), abHigh = Vector128.WidenUpper(a) | (Vector128.WidenUpper(b) << 8);
            Vector128<ushort> cdLow = Vector128.WidenLower(c) | (Vector128.WidenLower(d) << 8), cdHigh = Vector128.WidenUpper(c) | (Vector128.WidenUpper(d) << 8);
            (Vector128.WidenLower(abLow) | (Vector128.WidenLower(cdLow) << 16)).Store((uint*)registers);
            (Vector128.WidenUpper(abLow) | (Vector128.WidenUpper(cdLow) << 16)).Store((uint*)(registers + 16));
            (Vector128.WidenLower(abHigh) | (Vector128.WidenLower(cdHigh) << 16)).Store((uint*)(registers + 32));
            (Vector128.WidenUpper(abHigh) | (Vector128.WidenUpper(cdHigh) << 16)).Store((uint*)(registers + 48));
        }
    }

    private static void ScatterValues(byte* registers, byte* codes, int stride)
    {
        for (int r = 0; r < Registers; r++, codes += 4 * stride, registers += RegisterBytes)
        {
            Vector128<uint> a = Vector128.Load((uint*)registers), b = Vector128.Load((uint*)(registers + 16));
            Vector128<uint> c = Vector128.Load((uint*)(registers + 32)), d = Vector128.Load((uint*)(registers + 48));
            for (int row = 0; row < 4; row++)
            {
                Vector128<uint> low = Vector128.Create(255u);
                Vector128.Narrow(Vector128.Narrow(a & low, b & low), Vector128.Narrow(c & low, d & low)).Store(codes + (row * stride));
                (a, b, c, d) = (a >>> 8, b >>> 8, c >>> 8, d >>> 8);
            }
        }
    }

    // Codes are small, so a shift of a whole word carries nothing from one byte into the next.
    private static void Fold(ulong* r, int bits, ulong* stored)
    {
        const int N = WordsPerRegister;
        for (int i = 0; i < N; i++, r++, stored++)
        {
            switch (bits)
            {
                case 1:
                    stored[0] = r[0] | (r[N] << 1) | (r[2 * N] << 2) | (r[3 * N] << 3) | (r[4 * N] << 4) | (r[5 * N] << 5) | (r[6 * N] << 6) | (r[7 * N] << 7);
                    break;
                case 2:
                    stored[0] = r[0] | (r[N] << 2) | (r[2 * N] << 4) | (r[3 * N] << 6);
                    stored[N] = r[4 * N] | (r[5 * N] << 2) | (r[6 * N] << 4) | (r[7 * N] << 6);
                    break;
                case 3:
                    ulong rest = r[6 * N] | (r[7 * N] << 3);
                    stored[0] = r[0] | (r[N] << 3) | ((rest & Each(3)) << 6);
                    stored[N] = r[2 * N] | (r[3 * N] << 3) | ((rest & Each(12)) << 4);
                    stored[2 * N] = r[4 * N] | (r[5 * N] << 3) | ((rest & Each(48)) << 2);
                    break;
                default:
                    for (int s = 0; s < 4; s++)
                        stored[s * N] = r[2 * s * N] | (r[((2 * s) + 1) * N] << 4);
                    break;
            }
        }
    }

    private static void Unfold(ulong* stored, int bits, ulong* r)
    {
        const int N = WordsPerRegister;
        for (int i = 0; i < N; i++, r++, stored++)
        {
            switch (bits)
            {
                case 1:
                    for (int k = 0; k < Registers; k++)
                        r[k * N] = (stored[0] >> k) & Each(1);
                    break;
                case 2:
                    for (int k = 0; k < Registers; k++)
                        r[k * N] = (stored[k / 4 * N] >> (k % 4 * 2)) & Each(3);
                    break;
                case 3:
                    for (int k = 0; k < 6; k++)
                        r[k * N] = (stored[k / 2 * N] >> (k % 2 * 3)) & Each(7);
                    ulong rest = ((stored[0] >> 6) & Each(3)) | ((stored[N] >> 4) & Each(12)) | ((stored[2 * N] >> 2) & Each(48));
                    r[6 * N] = rest & Each(7);
                    r[7 * N] = (rest >> 3) & Each(7);
                    break;
                default:
                    for (int k = 0; k < Registers; k++)
                        r[k * N] = (stored[k / 2 * N] >> (k % 2 * 4)) & Each(15);
                    break;
            }
        }
    }

    private static ulong Each(ulong mask) => mask * 0x0101010101010101;
}
