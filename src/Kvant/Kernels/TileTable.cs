namespace Kvant.Kernels;

/// <summary>
/// What a code means, as small integers: the levels of a codebook times a factor, rounded. Laid out so that one permute of
/// bytes looks up the codes of a whole register, wherever in a byte they sit.
/// </summary>
internal sealed class TileTable
{
    /// <summary>Bytes of a table: six bits of an index.</summary>
    public const int Length = 64;

    /// <summary>Where behind the tables of a trellis code the patterns of <see cref="TrellisGather"/> begin.</summary>
    public const int PatternsAt = States + (States / 16 * Length);

    private const int Steps = 200;
    private const int States = TrellisTable.States;
    private const int StateBits = 8;

    /// <summary>Makes the tables of a codebook.</summary>
    /// <param name="levels">The 2^<paramref name="bits"/> levels, in the order of the codes.</param>
    /// <param name="bits">2 to 4.</param>
    public TileTable(ReadOnlySpan<float> levels, int bits)
    {
        Bits = bits;
        Magnitude = bits == 2 ? 10 : 63;
        float factor = BestFactor(levels, Magnitude);
        Unit = 1 / factor;
        Signed = GC.AllocateArray<byte>(2 * Length, pinned: true);
        Unsigned = GC.AllocateArray<byte>(2 * Length, pinned: true);
        for (int i = 0; i < Length; i++)
        {
            sbyte first = Round(levels[i % levels.Length], factor), second = Round(levels[(i >> bits) % levels.Length], factor);
            Signed[i] = (byte)first;
            Signed[Length + i] = (byte)second;
            Unsigned[i] = (byte)(first + Magnitude);
            Unsigned[Length + i] = (byte)(second + Magnitude);
        }
    }

    /// <summary>Makes the tables of a trellis code, whose levels are small integers as they are.</summary>
    /// <param name="trellis">The code.</param>
    public TileTable(TrellisTable trellis)
    {
        (Bits, Magnitude, Unit, IsTrellis) = (trellis.Bits, 63, trellis.Step, true);
        Signed = GC.AllocateArray<byte>(PatternsAt + TrellisGather.PatternBytes, pinned: true);
        Unsigned = GC.AllocateArray<byte>(Signed.Length, pinned: true);
        TrellisGather.WritePatterns(Bits, Signed.AsSpan(PatternsAt));
        TrellisGather.WritePatterns(Bits, Unsigned.AsSpan(PatternsAt));
        for (int i = 0; i < PatternsAt; i++)
        {
            // Behind the table once more each sixteen of its entries, as often as they fit the widest register.
            int behind = i - States, state = behind < 0 ? i : (behind / Length * 16) + (behind % 16);
            Signed[i] = (byte)trellis.Integers[state];
            Unsigned[i] = (byte)(trellis.Integers[state] + Magnitude);
        }
    }

    /// <summary>Bits of a code.</summary>
    public int Bits { get; }

    /// <summary>Whether a level is that of a window of the stream of codes, and the tables have 256 entries.</summary>
    public bool IsTrellis { get; }

    /// <summary>The largest integer of a query: products of two neighbors with levels, twice (at two bits without a trellis four times), fit 16 bits.</summary>
    public int QueryLimit => Magnitude < 63 ? 127 : 65;

    /// <summary>The largest integer: 63, so that two products of neighbors with numbers below 128 fit 16 bits together; at two bits
    /// 10, so that eight do. The rounding is part of the 2 % that integer arithmetic may add.</summary>
    public int Magnitude { get; }

    /// <summary>The largest integer of a weight: two products of neighbors with levels, twice, fit 16 bits; but once for the trellis code of four
    /// bits, which loses so little that coarser weights would show.</summary>
    public int WeightLimit => IsTrellis && Bits == 4 ? 255 : 127;

    /// <summary>The level of one integer step.</summary>
    public float Unit { get; }

    /// <summary>The integers, for the first field of a byte and then for the second.</summary>
    public byte[] Signed { get; }

    /// <summary>The same plus <see cref="Magnitude"/>, for the operand that is unsigned.</summary>
    public byte[] Unsigned { get; }

    /// <summary>Turns the codes of a row (or group) into their integers.</summary>
    public void LookUp(Span<byte> codes)
    {
        int state = 0;
        for (int i = IsTrellis ? codes.Length - ((StateBits + Bits - 1) / Bits) : codes.Length; i < codes.Length; i++)
            state = (state >> Bits) | (codes[i] << (StateBits - Bits));
        for (int i = 0; i < codes.Length; i++)
        {
            state = IsTrellis ? (state >> Bits) | (codes[i] << (StateBits - Bits)) : codes[i];
            codes[i] = Signed[state];
        }
    }

    // Of the factors that use most of the range, the one whose rounded levels err least.
    private static float BestFactor(ReadOnlySpan<float> levels, int magnitude)
    {
        float largest = 0;
        foreach (float level in levels)
            largest = MathF.Max(largest, MathF.Abs(level));
        (float best, double leastError) = (magnitude / largest, double.MaxValue);
        for (int step = 0; step < Steps; step++)
        {
            float factor = magnitude / largest * (1 - (0.15f * step / Steps));
            double error = 0;
            foreach (float level in levels)
                error += Math.Pow((Round(level, factor) / (double)factor) - level, 2) * Math.Exp(-0.5 * level * level);
            if (error < leastError)
                (best, leastError) = (factor, error);
        }

        return best;
    }

    private static sbyte Round(float level, float factor) => (sbyte)MathF.Round(level * factor);
}
