namespace Kvant.Kernels;

/// <summary>The trellis code of one number of bits, in the forms in which the search for codes reads it.</summary>
/// <remarks>
/// A state is eight bits of a row's stream. Stored codes are read with the newest code on top (a window of the stream, lowest bit first); the search
/// numbers states the other way round, s' = (s &lt;&lt; bits | new bits) mod 256, because then the states that may come before s' are 2^bits slices apart:
/// what they share is taken over whole registers.
/// </remarks>
internal sealed unsafe class TrellisTable
{
    /// <summary>States of the code.</summary>
    public const int States = 256;

    /// <summary>Fractions of a step that the search counts in: the largest level stays clear of the ends of 16 bits, so that numbers beyond it keep their order.</summary>
    public const int Fine = 460;

    /// <summary>Makes the forms of a table.</summary>
    /// <param name="integers">The number of each state in steps, at most 63 in magnitude; the index is the window of the stream.</param>
    /// <param name="bits">1 to 4.</param>
    /// <param name="step">A step, in standard deviations.</param>
    public TrellisTable(ReadOnlySpan<sbyte> integers, int bits, float step)
    {
        (Bits, Step) = (bits, step);
        for (int window = 0; window < States; window++)
        {
            Integers[window] = integers[window];
            Levels[Reversed(window, 8)] = (short)(integers[window] * Fine);
        }

        for (int code = 0; code < 1 << bits; code++)
            Codes[code] = (byte)Reversed(code, bits);
        for (int register = 0; register < 8; register++)
        {
            for (int lane = 0; lane < 32; lane++)
            {
                WideSpread[(32 * register) + lane] = (ushort)((((32 * register) + lane) >> bits) % 32);
                Spread[(32 * register) + lane] = (byte)((2 * (register + (lane / 2 >> bits))) + (lane % 2));
            }
        }
    }

    /// <summary>Bits of a code.</summary>
    public int Bits { get; }

    /// <summary>A step of <see cref="Integers"/>, in standard deviations.</summary>
    public float Step { get; }

    /// <summary>The numbers of the windows, in steps.</summary>
    public sbyte[] Integers { get; } = new sbyte[States];

    /// <summary>The numbers of the states as the search counts them, in steps / <see cref="Fine"/>.</summary>
    public short[] Levels { get; } = GC.AllocateArray<short>(States, pinned: true);

    /// <summary>The stored code of the new bits of a state of the search.</summary>
    public byte[] Codes { get; } = new byte[1 << MaxBits];

    /// <summary>Steps of the search that finds where a row begins, half of them before its first number, half behind. The fewer the bits, the longer a choice is felt.</summary>
    public int Around => Bits <= 2 ? 128 : 64;

    /// <summary>Which of 32 words go to the lanes of each of eight registers of 512 bits when every group's metric spreads over its states.</summary>
    public ushort[] WideSpread { get; } = GC.AllocateArray<ushort>(States, pinned: true);

    /// <summary>The same as bytes of eight words, for registers of up to 256 bits, by the first word that is wanted.</summary>
    public byte[] Spread { get; } = GC.AllocateArray<byte>(States, pinned: true);

    private const int MaxBits = 4;

    private static int Reversed(int value, int bits)
    {
        int reversed = 0;
        for (int i = 0; i < bits; i++)
            reversed |= ((value >> i) & 1) << (bits - 1 - i);
        return reversed;
    }
}
