namespace Kvant.Models.Formats;

/// <summary>What defines a format of small integers: its constants, where its scales lie, and how its codes come out of their bits. Numbers come
/// in runs of 32: (code - offset) * scale + shift. Written once, for every use of them; callers see to it that the runs are there.</summary>
internal interface ICodeFormat
{
    static abstract uint Id { get; }

    static abstract string Name { get; }

    static abstract int BlockLength { get; }

    static abstract int BlockBytes { get; }

    /// <summary>Scales of a run: 1, or 2 where its last 16 numbers have one of their own.</summary>
    static abstract int ScalesPerRun { get; }

    static abstract short Offset { get; }

    static abstract bool HasShifts { get; }

    /// <summary>Bits that a code needs: 4, 5, 6 or 8.</summary>
    static abstract int CodeBits { get; }

    /// <summary>The least code that <see cref="ReadCodes"/> gives: 0, or less where codes have a sign.</summary>
    static virtual short Least => 0;

    /// <summary>Reads the scales of runs, and the shifts if the format has any, from the start of a block on.</summary>
    /// <param name="blocks">The first block.</param>
    /// <param name="runs">How many runs; whole blocks.</param>
    /// <param name="scales">Receives <see cref="ScalesPerRun"/> of each run.</param>
    /// <param name="shifts">Receives one of each run.</param>
    static abstract void ReadScales(ref byte blocks, int runs, ref float scales, ref float shifts);

    /// <summary>The codes of a run, 0 to 63 or signed bytes, counted from the first block on.</summary>
    static abstract RunCodes ReadCodes(ref byte blocks, int run);

    /// <summary>The half-precision factors of a block's scales and shifts, as bits. Where a block is one run they are the scale and the shift.</summary>
    static abstract (short Scale, short Shift) ReadFactors(ref byte block);

    /// <summary>The small integers that the factors of a block are multiplied by, where a block has several runs.</summary>
    /// <param name="block">The block.</param>
    /// <param name="units">Receives those of the scales, run by run, then those of the shifts.</param>
    static virtual void ReadUnits(ref byte block, ref sbyte units)
    {
    }
}
