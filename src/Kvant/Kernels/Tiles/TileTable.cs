namespace Kvant.Kernels;

/// <summary>
/// What a code means, as small integers: the levels of a codebook times a factor, rounded. Laid out so that one permute of
/// bytes looks up the codes of a whole register, wherever in a byte they sit.
/// </summary>
internal sealed class TileTable
{
    /// <summary>Bytes of a table: six bits of an index.</summary>
    public const int Length = 64;

    private readonly TrellisTable? _trellis;

    /// <summary>Makes the tables of a codebook.</summary>
    /// <param name="levels">The 2^<paramref name="bits"/> levels, in the order of the codes.</param>
    /// <param name="bits">2 to 4.</param>
    /// <param name="keys">Of keys; else of values.</param>
    public TileTable(ReadOnlySpan<float> levels, int bits, bool keys)
    {
        Bits = bits;
        Magnitude = (bits, keys) switch { (2, true) => 13, (2, _) => 43, (_, true) => 63, _ => 84 };
        // What the ways of all tiles have in common moves the scores of all keys alike; in values it would stay when many rows are averaged.
        LevelIntegers[] ways = LevelIntegers.Choose(levels, Magnitude, keys ? 1 : TileSums.TilesPerRun);
        for (int tile = 0; tile < Units.Length; tile++)
            Units[tile] = ways[tile % ways.Length].Step;
        Stride = keys ? 0 : 2 * Length;
        Signed = GC.AllocateArray<byte>(ways.Length * 2 * Length, pinned: true);
        Unsigned = GC.AllocateArray<byte>(Signed.Length, pinned: true);
        for (int i = 0; i < Signed.Length; i++)
        {
            int code = i % Length >> (i % (2 * Length) < Length ? 0 : bits);
            Signed[i] = (byte)ways[i / (2 * Length)].Integers[code % levels.Length];
            Unsigned[i] = (byte)((sbyte)Signed[i] + Magnitude);
        }
    }

    /// <summary>Makes the tables of a trellis code, whose levels are small integers as they are.</summary>
    /// <param name="trellis">The code.</param>
    public TileTable(TrellisTable trellis)
    {
        (Bits, Magnitude, _trellis) = (trellis.Bits, 63, trellis);
        Array.Fill(Units, trellis.Step);
        Signed = GC.AllocateArray<byte>(3 * Length, pinned: true);
        Unsigned = GC.AllocateArray<byte>(3 * Length, pinned: true);
        for (int i = 0; i < Length; i++)
        {
            Signed[i] = (byte)trellis.First[i % trellis.First.Length];
            Unsigned[i] = (byte)(trellis.First[i % trellis.First.Length] + Magnitude);
            Signed[Length + i] = Unsigned[Length + i] = (byte)trellis.Second[i % 16];
            Signed[(2 * Length) + i] = Unsigned[(2 * Length) + i] = (byte)TrellisTable.Turned(i % 16);
        }
    }

    /// <summary>Bits of a code.</summary>
    public int Bits { get; }

    /// <summary>Whether codes are paths, and a level is the sum of two numbers.</summary>
    public bool IsTrellis => _trellis is not null;

    /// <summary>The largest integer of a query: products of two neighbors with levels, twice (at two bits without a trellis four times), fit 16 bits.</summary>
    public int QueryLimit => Magnitude < 63 ? 127 : 65;

    /// <summary>The largest integer. In keys 63, so that two products of neighbors with queries of 65 fit 16 bits, and 13 at two bits, where four with queries of 127 must and 10 : 3 and 13 : 4 are near the levels. In values 84,
    /// and 43 at two bits, where 43 : 13, 40 : 12 and 33 : 10 are: the finer the levels are, the coarser the weights (<see cref="NeighborLimit"/>), and both should lose as little.</summary>
    public int Magnitude { get; }

    /// <summary>The largest sum of the weights of two neighboring rows: two of them with levels (at two bits without a trellis eight) fit 16 bits, whatever rounding adds (less than 1 to each weight).</summary>
    public int NeighborLimit => Math.Min(254, (short.MaxValue / ((Bits == 2 && !IsTrellis ? 8 : 2) * Magnitude)) - 2);

    /// <summary>Bytes from the tables of a tile of values to those of the next; they begin anew with every run.</summary>
    public int Stride { get; }

    /// <summary>What an integer is worth, by tiles of a run.</summary>
    public float[] Units { get; } = GC.AllocateArray<float>(TileSums.TilesPerRun, pinned: true);

    /// <summary>The integers, for the first field of a byte and then for the second; of a trellis code the first summands, the second, and how the first index enters the second.</summary>
    public byte[] Signed { get; }

    /// <summary>The same plus <see cref="Magnitude"/>, for the operand that is unsigned.</summary>
    public byte[] Unsigned { get; }

    /// <summary>Turns the codes of a row (or group) of a tile of a run into their integers.</summary>
    public void LookUp(Span<byte> codes, int tile)
    {
        if (_trellis is not null)
        {
            _trellis.LookUp(codes);
            return;
        }

        ReadOnlySpan<byte> integers = Signed.AsSpan(tile * Stride);
        for (int i = 0; i < codes.Length; i++)
            codes[i] = integers[codes[i]];
    }
}
