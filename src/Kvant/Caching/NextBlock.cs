namespace Kvant.Caching;

/// <summary>
/// Codes of the block that leaves a layer's window next, made while its rows still wait there: a few at each append, so that none has a whole
/// block to encode. Nobody sees them before the block leaves, and what is not here by then is encoded then.
/// </summary>
/// <param name="layout">The layer.</param>
/// <param name="turn">0 to 1: where between two of its parts the layer does its work. Layers and caches of other turns work at other appends.</param>
internal sealed class NextBlock(LayerLayout layout, double turn)
{
    private readonly int _parts = layout.Sides.Length * layout.Heads; // keys and values of the first head, then of the next
    private byte[] _codes = [];
    private bool[] _coded = [];
    private int _row;
    private int _tried; // parts

    // Parts from one on are spread over the appends from one on: the first of both, unless the layer is a fork or comes out of a file.
    private int _firstAppend = -1;
    private int _firstPart;

    private int KeyBytes => (int)layout.Sides[0].BlockBytes(layout.BlockRows);

    private int HeadBytes { get; } = (int)layout.Sides.Sum(side => side.BlockBytes(layout.BlockRows));

    /// <summary>The same codes for a fork.</summary>
    /// <param name="extent">What both layers are.</param>
    /// <param name="turn">The fork's.</param>
    public NextBlock Copy(LayerExtent extent, double turn) => new(layout, turn)
    {
        _codes = [.. _codes],
        _coded = [.. _coded],
        _row = _row,
        _tried = _tried,
        _firstPart = _tried,
        _firstAppend = Math.Max(0, layout.CodingAppend(extent)),
    };

    /// <summary>Drops what does not belong to the block that is the next one now, or of whose rows some were cut.</summary>
    public void Follow(LayerExtent extent)
    {
        if (extent.BodyRows != _row || layout.Rows(extent) < _row + layout.BlockRows)
            (_row, _tried, _firstPart, _firstAppend) = (extent.BodyRows, 0, 0, -1);
    }

    /// <summary>The codes of the block behind the body, one side of a head; empty where they are not made yet.</summary>
    public ReadOnlySpan<byte> Codes(int side, int head)
    {
        int part = (layout.Sides.Length * head) + side;
        return part < _tried && _coded[part] ? Place(side, head) : [];
    }

    /// <summary>Makes the codes that are due after an append.</summary>
    /// <param name="layer">The layer that this belongs to.</param>
    /// <param name="tokens">How many came.</param>
    /// <param name="scratch">Buffers.</param>
    public void Code(LayerMemory layer, int tokens, CacheScratch scratch)
    {
        if (!layout.MayCode(layer.Extent))
            return;
        int append = layout.CodingAppend(layer.Extent);
        if (_firstAppend < 0)
            _firstAppend = Math.Max(0, append - tokens);
        double share = (double)(append - _firstAppend) / (layout.CodingAppends - _firstAppend);
        int due = _firstPart + (int)Math.Ceiling((share * (_parts - _firstPart)) - turn);
        for (; _tried < due; _tried++)
        {
            try
            {
                CodePart(layer, _tried, scratch);
            }
            catch (Exception)
            {
                // The append at which the block leaves tries again, and says what is wrong; this one has done its work.
            }
        }
    }

    /// <summary>Drops codes and buffers.</summary>
    public void Trim() => (_codes, _coded, _tried, _firstPart, _firstAppend) = ([], [], 0, 0, -1);

    private void CodePart(LayerMemory layer, int part, CacheScratch scratch)
    {
        if (_codes.Length == 0)
            (_coded, _codes) = (new bool[_parts], GC.AllocateUninitializedArray<byte>(checked(layout.Heads * HeadBytes)));
        _coded[part] = false;
        (int head, int side) = Math.DivRem(part, layout.Sides.Length);
        SideLayout kind = layout.Sides[side];
        Span<float> rows = scratch.Rows(layout.BlockRows * kind.Dimension);
        WindowRows.Load(layer.Ring(side, head, _row % layout.RingRows, layout.BlockRows), WindowRows.IsHalf(kind.WindowCodec), rows);
        layer.Close(side, head, layer.Extent, rows, Place(side, head));
        _coded[part] = true;
    }

    private Span<byte> Place(int side, int head) => _codes.AsSpan((head * HeadBytes) + (side == 0 ? 0 : KeyBytes), side == 0 ? KeyBytes : HeadBytes - KeyBytes);
}
