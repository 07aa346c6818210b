namespace Kvant.Caching;

/// <summary>
/// Codes of the block that leaves a layer's window next, or moves from one step of its body to the next, made while its rows still wait there: a few at each append, so that none has a whole
/// block to encode. Nobody sees them before the block moves, and what is not made by then is encoded then. They lie behind the window (<see cref="LayerMemory.NextCodes"/>), so that
/// they are counted and forks share them.
/// </summary>
/// <param name="layout">The layer.</param>
/// <param name="step">Where the block moves to: 0 from the window, others from the step before.</param>
/// <param name="turn">0 to 1: where between two of its parts the layer does its work. Layers and caches of other turns work at other appends.</param>
internal sealed class NextBlock(LayerLayout layout, int step, double turn)
{
    private readonly int _parts = layout.Sides.Length * layout.Heads; // keys and values of the first head, then of the next
    private int _row;
    private int _coded; // parts
    private bool _failed;

    // Parts from one on are spread over the appends from one on: the first of both, unless the layer is a fork or comes out of a file.
    private int _firstAppend = -1;
    private int _firstPart;

    /// <summary>The same codes for a fork.</summary>
    /// <param name="extent">What both layers are.</param>
    /// <param name="turn">The fork's.</param>
    public NextBlock Copy(LayerExtent extent, double turn) => new(layout, step, turn)
    {
        _row = _row,
        _coded = _coded,
        _failed = _failed,
        _firstPart = _coded,
        _firstAppend = Math.Max(0, layout.CodingAppend(extent, Timed(extent))),
    };

    /// <summary>Drops what does not belong to the block that is the next one now, or of whose rows some were cut.</summary>
    public void Follow(LayerExtent extent)
    {
        // A cut through a block leaves fewer rows than it has.
        if (extent.End(step) != _row || layout.Rows(extent) < _row + layout.BlockRows)
        {
            Drop();
            _row = extent.End(step);
        }
    }

    /// <summary>Whether the codes of the block behind the step are made, one side of a head.</summary>
    public bool HasCodes(int side, int head) => (layout.Sides.Length * head) + side < _coded;

    /// <summary>Makes the codes that are due after an append.</summary>
    /// <param name="layer">The layer that this belongs to.</param>
    /// <param name="tokens">How many came.</param>
    /// <param name="scratch">Buffers.</param>
    public void Code(LayerMemory layer, int tokens, CacheScratch scratch)
    {
        // Where all would be made at one append there is no room for it to wait.
        if (_failed || layout.CodingAppends(step) <= 1 || !layout.MayCode(layer.Extent, step))
            return;
        int timed = Timed(layer.Extent), append = layout.CodingAppend(layer.Extent, timed);
        if (_firstAppend < 0)
            _firstAppend = Math.Max(0, append - tokens);
        double share = (double)(append - _firstAppend) / Math.Max(1, layout.CodingAppends(timed) - _firstAppend);
        int due = _firstPart + (int)Math.Ceiling((share * (_parts - _firstPart)) - turn);
        try
        {
            for (; _coded < Math.Min(due, _parts) && IsThere(layer, _coded); _coded++)
                CodePart(layer, _coded, scratch);
        }
        catch (Exception)
        {
            // The append at which the block leaves tries again, and says what is wrong; this one has done its work.
            _failed = true;
        }
    }

    /// <summary>Forgets the codes.</summary>
    public void Drop() => (_coded, _failed, _firstPart, _firstAppend) = (0, false, 0, -1);

    // The step whose appends count: what goes straight on to this one has those at which it leaves the window.
    private int Timed(LayerExtent extent) => layout.GoesStraightTo(extent, step) ? 0 : step;

    // The codes of the step before: in the body, or made ahead too. What is away comes home when the block moves, for which there is room then.
    private bool IsThere(LayerMemory layer, int part) =>
        step == 0 || (IsBehind(layer.Extent) ? layer.IsHere(step - 1, _row) : layer.Next[step - 1].HasCodes(part % layout.Sides.Length, part / layout.Sides.Length));

    private bool IsBehind(LayerExtent extent) => extent.End(step - 1) >= _row + layout.BlockRows;

    private void CodePart(LayerMemory layer, int part, CacheScratch scratch)
    {
        (int head, int side) = Math.DivRem(part, layout.Sides.Length);
        SideLayout kind = layout.Sides[side];
        Span<float> rows = scratch.Rows(layout.BlockRows * kind.Dimension);
        if (step > 0)
        {
            Span<byte> before = IsBehind(layer.Extent) ? layer.Body(step - 1, side, head, _row, layout.BlockRows) : layer.NextCodes(step - 1, side, head);
            Aging.Code(layer, step - 1, step, side, head, _row, before, rows, layer.NextCodes(step, side, head));
            return;
        }

        WindowRows.Load(layer.Ring(side, head, _row % layout.RingRows, layout.BlockRows), WindowRows.IsHalf(kind.WindowCodec), rows);
        layer.Close(side, head, layer.Extent, rows, layer.NextCodes(0, side, head));
    }
}
