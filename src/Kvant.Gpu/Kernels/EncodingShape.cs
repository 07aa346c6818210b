using System.Globalization;
using Kvant.Codecs;
using Kvant.Kernels;
using Kvant.Rotations;

namespace Kvant.Gpu.Kernels;

/// <summary>How rows are encoded, as kernels are built for (encode.cl).</summary>
/// <param name="Side">How the blocks lie.</param>
/// <param name="Keys">Whether the codes lie in the order of keys.</param>
/// <param name="SingleRows">Whether rows come as floats of 32 bits; else of 16.</param>
/// <param name="Shared">Whether a vector is subtracted from all rows of a head.</param>
/// <param name="Turns">Pairs of it that positions turn.</param>
/// <param name="Neighbors">Whether pairs are neighbors; else halves.</param>
/// <param name="Rounds">Rounds of the rotation.</param>
/// <param name="Segment">Numbers that it transforms together.</param>
/// <param name="Mixed">Segments that it mixes.</param>
/// <param name="Rule">Which scale is stored.</param>
/// <param name="Search">How many are tried.</param>
/// <param name="Around">Steps that find where a path begins; 0 for levels.</param>
/// <param name="Easy">See <see cref="CodingForm.Easy"/>.</param>
/// <param name="Step">The step of a trellis; see <see cref="TrellisTable"/>.</param>
internal readonly record struct EncodingShape(
    SideShape Side, bool Keys, bool SingleRows, bool Shared, int Turns, bool Neighbors, int Rounds, int Segment, int Mixed, ScaleRule Rule, int Search, int Around, float Easy, float Step)
{
    private const int Lanes = 128;
    private const int States = TrellisTable.States;

    /// <summary>Numbers that share a scale.</summary>
    public int Length => Side.Dimension / Side.Groups;

    /// <summary>Whether codes are paths.</summary>
    public bool ArePaths => Around > 0;

    /// <summary>Groups of numbers that a work-group of the kernel <c>paths</c> takes.</summary>
    public int Taken => Lanes >> (8 - Side.Bits);

    /// <summary>Bytes that a work-group shares, at most.</summary>
    public int LocalBytes => ArePaths
        ? (Math.Max(Length, Around) * Lanes) + (Taken * ((2 * States * sizeof(ushort)) + (Length * sizeof(short)) + (38 * sizeof(float)))) + (States * sizeof(short))
        : sizeof(float) * ((2 * Side.Dimension) + (2 * Math.Max(Lanes, 16 * Side.Groups)) + (4 * Side.Groups) + Lanes);

    /// <summary>The macros that say so.</summary>
    public string Macros => string.Create(
        CultureInfo.InvariantCulture,
        $"-DD={Side.Dimension} -DSINGLE_ROWS={(SingleRows ? 1 : 0)} -DNUMBERS={(int)Side.Numbers} -DBITS={Side.Bits} -DGROUPS={Side.Groups} -DKEYS={(Keys ? 1 : 0)} -DBLOCK_ROWS={Side.BlockRows} -DBLOCK_STRIDE={Side.BlockBytes} -DMEAN={Side.Mean} -DMEAN_AT={Side.MeanOffset} -DEASY={Easy:E9}f -DSHARED={(Shared ? 1 : 0)} -DTURNS={Turns} -DNEIGHBORS={(Neighbors ? 1 : 0)} -DROUNDS={Rounds} -DSEGMENT={Segment} -DMIXED={Mixed} -DRULE={(int)Rule} -DSEARCH={Search} -DAROUND={Around} -DSTEPS={Math.Max(Length, Around)} -DFINE={TrellisTable.Fine} -DSTEP={Step:E9}f");

    /// <summary>The shape of a codec; null where only the processor encodes with it.</summary>
    /// <param name="codec">A codec of a cache.</param>
    /// <param name="singleRows">Whether rows come as floats of 32 bits.</param>
    public static EncodingShape? Of(Codec codec, bool singleRows)
    {
        if (codec.Form is not { Coding: { } coding } form || codec.Dimension > SideShape.MostNumbers)
            return null;
        RotationForm rotation = coding.Rotation;
        RotaryTables? tables = coding.Frame?.Tables;
        return new(
            SideShape.Of(codec, form.KeyOrder, "A codec"),
            form.KeyOrder,
            singleRows,
            coding.Frame is not null || !coding.Shared.IsEmpty,
            tables?.Count ?? 0,
            tables?.Pairs == RotaryPairs.Neighbors,
            rotation.Signs.Length / codec.Dimension,
            rotation.Segment,
            rotation.Mixed,
            coding.Rule,
            coding.Search,
            coding.Trellis?.Around ?? 0,
            coding.Easy,
            coding.Trellis?.Step ?? 0);
    }
}
