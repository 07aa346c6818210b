using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>Writes tokens to a layer. Checks and memory are behind it; a codec that fails leaves the layer as it was.</summary>
internal readonly ref struct LayerAppend
{
    // Rows that are rounded together and then encoded: some pages, that threads share.
    private const int RowsAtOnce = 4 * SideLayout.PageRows;

    private readonly LayerMemory _layer;
    private readonly LayerLayout _layout;
    private readonly CacheScratch _scratch;
    private readonly ICrew? _crew;
    private readonly IBlockEncoder? _encoder;
    private readonly TokenRows _keys;
    private readonly TokenRows _values;
    private readonly LayerExtent _before;
    private readonly LayerExtent _after;

    /// <summary>Tokens for a layer.</summary>
    /// <param name="layer">The layer, with all pages in place.</param>
    /// <param name="after">What it will be.</param>
    /// <param name="keys">[token, head, number].</param>
    /// <param name="values">[token, head, number].</param>
    /// <param name="scratch">Buffers.</param>
    /// <param name="crew">Threads that encode; null for the calling one alone.</param>
    /// <param name="encoder">What encodes in their stead where it can; null for none.</param>
    public LayerAppend(LayerMemory layer, LayerExtent after, TokenRows keys, TokenRows values, CacheScratch scratch, ICrew? crew, IBlockEncoder? encoder)
    {
        (_layer, _layout, _scratch, _before, _after, _crew, _encoder) = (layer, layer.Layout, scratch, layer.Extent, after, crew, encoder);
        _keys = keys;
        _values = values;
    }

    // The first row that is still with the caller.
    private int FirstNewRow => _layout.Rows(_before);

    /// <summary>Does it.</summary>
    public void Run()
    {
        // What a codec may refuse, or fail at, comes first and writes nothing that the layer holds already: blocks go behind their steps, one
        // that was cut waits in the scratch.
        Codec[][][]? chosen = _layout.IsCalibrated(_after) && !_layout.IsCalibrated(_before) ? Calibrate() : null;

        // Blocks of evicted rows are not even encoded.
        int alive = _layout.FirstBlockRow(_after), cut = _before.BodyRows;
        bool wasCut = _before.KeepsCut && cut >= alive && cut < _after.BodyRows;
        Span<byte> staged = wasCut ? _scratch.Staged(StagedBytes(0) + (_layout.Sides.Length > 1 ? StagedBytes(1) : 0)) : [];
        for (int side = 0; side < _layout.Sides.Length; side++)
        {
            if (wasCut)
                CloseCutBlock(side, side == 0 ? staged[..StagedBytes(0)] : staged[StagedBytes(0)..]);
            for (int step = _layout.Steps.Length - 1; step >= 0; step--)
            {
                int first = Math.Max(Math.Max(_before.End(step), _after.End(step + 1)), alive), end = _after.End(step);
                if (!wasCut || cut < first || cut >= end)
                {
                    Move(step, side, first, end, chosen);
                    continue;
                }

                Move(step, side, first, cut, chosen);
                Move(step, side, cut + _layout.BlockRows, end, chosen);
            }
        }

        // The places of rows that left the window are those of rows that come.
        if (wasCut)
            Install(staged);
        if (chosen is not null)
            _layer.Calibrate(chosen);
        for (int side = 0; side < _layout.Sides.Length; side++)
            KeepRows(side);
    }

    // Of the block that was cut, one side of all heads.
    private int StagedBytes(int side) => checked(_layout.Heads * (int)_layout.Sides[side].BlockBytes(_layout.BlockRows));

    private void CloseCutBlock(int side, Span<byte> staged)
    {
        int first = _before.BodyRows, end = first + _layout.BlockRows, bytes = staged.Length / _layout.Heads;
        RoundNew(side, first, end);
        for (int head = 0; head < _layout.Heads; head++)
        {
            Span<byte> place = staged.Slice(head * bytes, bytes);
            if (_layer.Next[0].HasCodes(side, head))
                _layer.NextCodes(0, side, head).CopyTo(place);
            else
                _layer.Close(side, head, _before, Gather(side, head, first, end), place);
        }
    }

    private void Install(Span<byte> staged)
    {
        int step = _layout.StepOf(_after, _before.BodyRows);
        for (int side = 0; side < _layout.Sides.Length; side++)
        {
            SideLayout kind = _layout.Sides[side];
            for (int head = 0; head < _layout.Heads; head++)
            {
                Span<byte> codes = staged[..(int)kind.BlockBytes(_layout.BlockRows)], place = _layer.Body(step, side, head, _before.BodyRows, _layout.BlockRows);
                Aging.Code(_layer, 0, step, side, head, _before.BodyRows, codes, _scratch.Rows(_layout.BlockRows * kind.Dimension), place);
                staged = staged[codes.Length..];
            }
        }
    }

    // Rows of the window or of newer steps, in pieces that bound what is rounded at once.
    private void Move(int step, int side, int first, int end, Codec[][][]? chosen)
    {
        for (int row = first; row < end;)
        {
            int count = Math.Min(end - row, RowsAtOnce - (row % RowsAtOnce));
            CloseBlocks(step, side, row, row + count, chosen);
            row += count;
        }
    }

    private void CloseBlocks(int step, int side, int first, int end, Codec[][][]? chosen)
    {
        RoundNew(side, first, end);
        int from = Math.Max(first, FirstNewRow), tokenBytes = _layout.Heads * _layout.Sides[side].RowBytes;
        ReadOnlyMemory<byte> rounded = _scratch.RoundedMemory(Math.Max(0, end - from) * tokenBytes);
        if (step > 0 || _encoder?.TryEncode(_layer, side, first, end, chosen, rounded.Span, from) != true)
            _scratch.Closing.Run(_layer, step, side, first, end, chosen, rounded, from, _crew);
    }

    // All steps learn from the rows as they came.
    private Codec[][][] Calibrate()
    {
        Codec[][][] codecs = Array.ConvertAll(_layout.Steps, step => Array.ConvertAll(step.Sides, _ => new Codec[step.Heads]));
        for (int side = 0; side < _layout.Sides.Length; side++)
        {
            RoundNew(side, 0, _layout.CalibrationRows);
            for (int head = 0; head < _layout.Heads; head++)
            {
                ReadOnlySpan<float> rows = Gather(side, head, 0, _layout.CalibrationRows);
                for (int step = 0; step < codecs.Length; step++)
                    codecs[step][side][head] = _layout.Steps[step].Sides[side].Codec.Calibrate(rows, side == 0 ? _layer.Queries.ContextOf(head) : null);
            }
        }

        return codecs;
    }

    // Sinks, and the rows that wait in the window.
    private void KeepRows(int side)
    {
        int tokens = _after.Length - _before.Length;
        int sinks = Math.Clamp(_layout.Sinks - _before.Length, 0, tokens);
        for (int token = 0; token < sinks; token++)
        {
            ReadOnlySpan<byte> rounded = Round(side, token);
            for (int head = 0; head < _layout.Heads; head++)
                OfHead(rounded, side, head).CopyTo(_layer.Sinks(side, head, _before.Length + token, 1));
        }

        for (int row = Math.Max(_after.BodyRows, FirstNewRow); row < _layout.Rows(_after); row++)
        {
            ReadOnlySpan<byte> rounded = Round(side, TokenOf(row));
            for (int head = 0; head < _layout.Heads; head++)
                OfHead(rounded, side, head).CopyTo(_layer.Ring(side, head, row % _layout.RingRows, 1));
        }
    }

    private int TokenOf(int row) => row + _layout.Sinks - _before.Length;

    private ReadOnlySpan<byte> OfHead(ReadOnlySpan<byte> token, int side, int head)
    {
        int bytes = _layout.Sides[side].RowBytes;
        return token.Slice(head * bytes, bytes);
    }

    private ReadOnlySpan<byte> Round(int side, int token)
    {
        Span<byte> rounded = _scratch.Rounded(_layout.Heads * _layout.Sides[side].RowBytes);
        Round(side, token, rounded);
        return rounded;
    }

    // Rounds those of the rows that are still with the caller, all heads, for Gather.
    private void RoundNew(int side, int first, int end)
    {
        int tokenBytes = _layout.Heads * _layout.Sides[side].RowBytes;
        first = Math.Max(first, FirstNewRow);
        if (first >= end)
            return;
        Span<byte> rounded = _scratch.Rounded((end - first) * tokenBytes);
        for (int row = first; row < end; row++)
            Round(side, TokenOf(row), rounded.Slice((row - first) * tokenBytes, tokenBytes));
    }

    private void Round(int side, int token, Span<byte> rounded)
    {
        SideLayout kind = _layout.Sides[side];
        int floats = _layout.Heads * kind.Dimension;
        TokenRows rows = side == 0 ? _keys : _values;
        WindowRows.Store(rows.Token(token, floats, _scratch.Token(floats)), WindowRows.IsHalf(kind.WindowCodec), rounded);
    }

    // Rows of a head, those that have been in the window and those that RoundNew rounded.
    private ReadOnlySpan<float> Gather(int side, int head, int first, int end)
    {
        int from = Math.Max(first, FirstNewRow);
        Span<float> rows = _scratch.Rows((end - first) * _layout.Sides[side].Dimension);
        _layer.Gather(side, head, first, end, _scratch.Rounded(Math.Max(0, end - from) * _layout.Heads * _layout.Sides[side].RowBytes), from, rows);
        return rows;
    }
}
