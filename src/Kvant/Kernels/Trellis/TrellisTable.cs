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

    /// <summary>Makes the forms of a code.</summary>
    /// <param name="first">16 numbers in steps, at three bits 8: the first summand (<see cref="FirstIndex"/>).</param>
    /// <param name="second">16 numbers: the second summand (<see cref="SecondIndex"/>). No sum is above 63 in magnitude.</param>
    /// <param name="bits">1 to 4.</param>
    /// <param name="step">A step, in standard deviations.</param>
    public TrellisTable(ReadOnlySpan<sbyte> first, ReadOnlySpan<sbyte> second, int bits, float step)
    {
        (Bits, Step, First, Second) = (bits, step, first.ToArray(), second.ToArray());
        for (int window = 0; window < States; window++)
        {
            Integers[window] = (sbyte)(first[FirstIndex(window, bits)] + second[SecondIndex(window, bits)]);
            Levels[Reversed(window, 8)] = (short)(Integers[window] * Fine);
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

    /// <summary>The first summands, in steps.</summary>
    public sbyte[] First { get; }

    /// <summary>The second summands.</summary>
    public sbyte[] Second { get; }

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

    /// <summary>Which first summand a window has: at three bits that of its newest code, else that of its newer half.</summary>
    public static int FirstIndex(int window, int bits) => window >> (bits == 3 ? 5 : 4);

    /// <summary>Which second summand a window has: its older half, mixed with the newer one but at four bits, where the halves are two codes. At three bits, where the window holds two codes and the
    /// upper bits of a third, those bits fall on those of the code before.</summary>
    public static int SecondIndex(int window, int bits) => bits switch
    {
        4 => window & 15,
        3 => (2 * (window >> 5)) ^ ((window >> 2) & 7) ^ (2 * (window & 3)),
        _ => Turned(window >> 4) ^ (window & 15),
    };

    /// <summary>Four bits, rotated by one.</summary>
    public static int Turned(int half) => ((half << 1) & 15) | (half >> 3);

    /// <summary>The state that a code leads to.</summary>
    /// <param name="state">The window before it.</param>
    /// <param name="code">The code.</param>
    public int Next(int state, byte code) => (state >> Bits) | (code << (8 - Bits));

    /// <summary>Turns the codes of a row (or group) into their integers.</summary>
    public void LookUp(Span<byte> codes)
    {
        int[] path = TrellisPath.Coordinates(codes.Length);
        int state = 0;
        foreach (int coordinate in path)
            state = Next(state, codes[coordinate]);
        foreach (int coordinate in path)
        {
            state = Next(state, codes[coordinate]);
            codes[coordinate] = (byte)Integers[state];
        }
    }

    private const int MaxBits = 4;

    /// <summary>A number of some bits, the lowest on top.</summary>
    public static int Reversed(int value, int bits)
    {
        int reversed = 0;
        for (int i = 0; i < bits; i++)
            reversed |= ((value >> i) & 1) << (bits - 1 - i);
        return reversed;
    }
}
