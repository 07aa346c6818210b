using System.Runtime.CompilerServices;
using Kvant.Models.Formats;

namespace Kvant.Models.Kernels;

/// <summary>How the 32 codes of a run lie in a lane of 32 bits, <see cref="ICodeFormat.CodeBits"/> times: pairs of neighbors in its two halves, so
/// that a mask and a shift give words for two columns of every row.</summary>
/// <remarks>Of 4, 5 and 6 bits the low nibbles of four pairs share a lane, and the bits above them lie behind: of eight pairs at 6 bits, of all
/// sixteen at 5. Of 8 bits two pairs share a lane.</remarks>
internal static class BundleCodes
{
    /// <summary>Lays codes out.</summary>
    /// <param name="codes">32, from 0 on.</param>
    /// <param name="bits">Bits of each.</param>
    /// <param name="lane">Receives as many integers as a code has bits.</param>
    internal static void Write(ReadOnlySpan<short> codes, int bits, Span<uint> lane)
    {
        lane.Clear();
        for (int pair = 0; pair < 16; pair++)
        {
            uint both = (ushort)codes[2 * pair] | ((uint)codes[(2 * pair) + 1] << 16);
            if (bits == 8)
            {
                lane[pair / 2] |= both << (8 * (pair % 2));
                continue;
            }

            lane[pair / 4] |= (both & 0x000F000F) << (4 * (pair % 4));
            if (bits == 6) lane[4 + (pair / 8)] |= ((both >> 4) & 0x00030003) << (2 * (pair % 8));
            if (bits == 5) lane[4] |= ((both >> 4) & 0x00010001) << pair;
        }
    }

    /// <summary>Reads a code: the definition of what <see cref="Read{TFormat, TVector, TSimd}"/> does.</summary>
    /// <param name="codes">The codes of a run.</param>
    /// <param name="bits">Bits of each.</param>
    /// <param name="lanes">Rows beside each other.</param>
    /// <param name="row">Which of them.</param>
    /// <param name="column">0 to 31.</param>
    internal static int Read(ref byte codes, int bits, int lanes, int row, int column)
    {
        int pair = column / 2;
        if (bits == 8) return Field(ref codes, pair / 2, 8 * (pair % 2), 255);
        int nibble = Field(ref codes, pair / 4, 4 * (pair % 4), 15);
        return bits == 6 ? nibble | (Field(ref codes, 4 + (pair / 8), 2 * (pair % 8), 3) << 4)
            : bits == 5 ? nibble | (Field(ref codes, 4, pair, 1) << 4)
            : nibble;

        int Field(ref byte codes, int lane, int shift, int mask) =>
            (Unsafe.ReadUnaligned<ushort>(ref Unsafe.Add(ref codes, (((lane * lanes) + row) * sizeof(uint)) + (column % 2 * sizeof(ushort)))) >> shift) & mask;
    }

    /// <summary>Reads a quarter of a run: words of eight columns, two in each register.</summary>
    /// <param name="codes">The codes of a run.</param>
    /// <param name="half">Which half of the run: 0 or 1.</param>
    /// <param name="odd">Which quarter of it: 0 or 1, a constant.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Four<TVector> Read<TFormat, TVector, TSimd>(ref byte codes, int half, int odd)
        where TFormat : struct, ICodeFormat
        where TVector : struct
        where TSimd : IPanelSimd<TVector>
    {
        int quarter = (2 * half) + odd;
        if (TFormat.CodeBits == 8)
        {
            TVector first = Load(ref codes, 2 * quarter), last = Load(ref codes, (2 * quarter) + 1);
            return new(TSimd.Field(first, 0, 255), TSimd.Field(first, 8, 255), TSimd.Field(last, 0, 255), TSimd.Field(last, 8, 255));
        }

        TVector nibbles = Load(ref codes, quarter);
        Four<TVector> low = new(TSimd.Field(nibbles, 0, 15), TSimd.Field(nibbles, 4, 15), TSimd.Field(nibbles, 8, 15), TSimd.Field(nibbles, 12, 15));
        if (TFormat.CodeBits == 4) return low;
        // The bits above become 16 and 32.
        int step = TFormat.CodeBits - 4, at = step == 2 ? (8 * odd) - 4 : (4 * quarter) - 4;
        short mask = (short)(step == 1 ? 16 : 48);
        TVector top = Load(ref codes, step == 1 ? 4 : 4 + half);
        return new(
            TSimd.Or(low.A, TSimd.Field(top, at, mask)), TSimd.Or(low.B, TSimd.Field(top, at + step, mask)),
            TSimd.Or(low.C, TSimd.Field(top, at + (2 * step), mask)), TSimd.Or(low.D, TSimd.Field(top, at + (3 * step), mask)));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static TVector Load(ref byte codes, int lane) => TSimd.Load(ref Unsafe.As<byte, float>(ref Unsafe.Add(ref codes, lane * TSimd.Lanes * sizeof(uint))));
    }
}

/// <summary>Four registers: words of eight columns, a pair of neighbors in each, or the sums of four vectors.</summary>
internal readonly record struct Four<TVector>(TVector A, TVector B, TVector C, TVector D)
    where TVector : struct;
