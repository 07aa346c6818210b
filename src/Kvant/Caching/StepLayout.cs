using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>How rows of one age are stored in the body of a layer: its codecs, and where their blocks lie in a page of 128 rows.</summary>
internal sealed class StepLayout
{
    private readonly long _runBytes; // of a head in a page
    private readonly int[] _codedBy;

    /// <summary>A step.</summary>
    /// <param name="specs">Its codecs.</param>
    /// <param name="age">Rows that are newer than its newest, at least; <see cref="AgeStep.Never"/> where nothing moves by itself.</param>
    /// <param name="blockRows">Rows that move together.</param>
    /// <param name="heads">Key-value heads.</param>
    /// <param name="sides">Keys, then values unless those are part of the keys.</param>
    /// <param name="newer">The step before; null for the newest.</param>
    public StepLayout(LayerSpecs specs, int age, int blockRows, int heads, SideLayout[] sides, StepLayout? newer = null)
    {
        Number = newer is null ? 0 : newer.Number + 1;
        _codedBy = [Same(specs.Keys, newer?.Specs.Keys) ? newer!._codedBy[0] : Number, Same(specs.Values, newer?.Specs.Values) ? newer!._codedBy[1] : Number];
        (Specs, Age, BlockRows, Sides, _runBytes) = (specs, age, blockRows, sides, sides.Sum(side => (long)side.RunBytes));
        Heads = heads;
        PageBytes = checked(heads * _runBytes);
    }

    /// <summary>Which it is; the newest is 0.</summary>
    public int Number { get; }

    /// <summary>Key-value heads.</summary>
    public int Heads { get; }

    /// <summary>Its codecs.</summary>
    public LayerSpecs Specs { get; }

    /// <summary>As a policy says it; not for the newest.</summary>
    public AgeStep AsAge => new(Age, Specs.Keys, Specs.Values);

    /// <summary>Rows that are newer than its newest, at least.</summary>
    public int Age { get; }

    /// <summary>Rows that move together; a multiple of what younger steps move.</summary>
    public int BlockRows { get; }

    /// <summary>Keys, then values; keys alone where values are part of them.</summary>
    public SideLayout[] Sides { get; }

    /// <summary>Bytes of a page.</summary>
    public long PageBytes { get; }

    /// <summary>Where a head's blocks of a page begin.</summary>
    public long RunOffset(int side, int head) => (head * _runBytes) + (side == 0 ? 0 : Sides[0].RunBytes);

    /// <summary>The first of the steps up to this one that have the same codec for a side: rows keep their bytes from there on.</summary>
    public int CodedBy(int side) => _codedBy[side];

    /// <summary>The codec of a side.</summary>
    public CodecSpec SpecOf(int side) => side == 0 ? Specs.Keys : Specs.Values;

    /// <summary>The largest block of some sides.</summary>
    /// <exception cref="ArgumentException">One does not divide a page.</exception>
    public static int LargestBlock(params ReadOnlySpan<SideLayout> sides)
    {
        int most = 1;
        foreach (SideLayout side in sides)
        {
            int rows = side.Codec.RowsPerBlock;
            most = Math.Max(most, rows);
            if (SideLayout.PageRows % rows != 0)
                throw new ArgumentException($"Blocks of {rows} rows do not divide a page of {SideLayout.PageRows}.", nameof(sides));
        }

        return most;
    }

    private static bool Same(CodecSpec spec, CodecSpec? newer) => newer is not null && spec.FullText == newer.FullText;
}
