using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>Writes tokens to a layer. What can fail, checks and memory, is behind it.</summary>
/// <typeparam name="T">How the caller stores numbers.</typeparam>
/// <typeparam name="TElements">Reads them.</typeparam>
internal readonly ref struct LayerAppend<T, TElements>
    where T : unmanaged
    where TElements : IElements<T>
{
    private readonly LayerMemory _layer;
    private readonly LayerLayout _layout;
    private readonly CacheScratch _scratch;
    private readonly ReadOnlySpan<T> _keys;
    private readonly ReadOnlySpan<T> _values;
    private readonly LayerExtent _before;
    private readonly LayerExtent _after;

    /// <summary>Tokens for a layer.</summary>
    /// <param name="layer">The layer, with all pages in place.</param>
    /// <param name="after">What it will be.</param>
    /// <param name="keys">[token, head, number].</param>
    /// <param name="values">[token, head, number].</param>
    /// <param name="scratch">Buffers.</param>
    public LayerAppend(LayerMemory layer, LayerExtent after, ReadOnlySpan<T> keys, ReadOnlySpan<T> values, CacheScratch scratch)
    {
        (_layer, _layout, _scratch, _before, _after) = (layer, layer.Layout, scratch, layer.Extent, after);
        _keys = keys;
        _values = values;
    }

    // The first row that is still with the caller.
    private int FirstNewRow => _layout.Rows(_before);

    /// <summary>Does it.</summary>
    public void Run()
    {
        if (_layout.IsCalibrated(_after) && !_layout.IsCalibrated(_before))
            Calibrate();

        // Blocks leave first: their rows' places in the ring are those of rows that come. Blocks of evicted rows are not even encoded.
        int first = Math.Max(_before.BodyRows, _layout.FirstBlockRow(_after));
        for (int side = 0; side < 2; side++)
        {
            for (int row = first; row < _after.BodyRows;)
            {
                int end = Math.Min(_after.BodyRows, row - (row % SideLayout.PageRows) + SideLayout.PageRows);
                CloseBlocks(side, row, end);
                row = end;
            }

            KeepRows(side);
        }
    }

    private void CloseBlocks(int side, int first, int end)
    {
        RoundNew(side, first, end);
        for (int head = 0; head < _layout.Heads; head++)
            _layer.Codec(side, head).Encode(Gather(side, head, first, end), _layer.Body(side, head, first, end - first));
    }

    private void Calibrate()
    {
        var codecs = new Codec[2][];
        for (int side = 0; side < 2; side++)
        {
            RoundNew(side, 0, _layout.CalibrationRows);
            codecs[side] = new Codec[_layout.Heads];
            for (int head = 0; head < _layout.Heads; head++)
                codecs[side][head] = _layout.Sides[side].Codec.Calibrate(Gather(side, head, 0, _layout.CalibrationRows));
        }

        _layer.Calibrate(codecs);
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
        ReadOnlySpan<T> numbers = (side == 0 ? _keys : _values).Slice(token * floats, floats);
        WindowRows.Store(TElements.Floats(numbers, _scratch.Token(floats)), WindowRows.IsHalf(kind.WindowCodec), rounded);
    }

    // Rows of a head as the window stores them, those in the ring and those that RoundNew rounded.
    private ReadOnlySpan<float> Gather(int side, int head, int first, int end)
    {
        SideLayout kind = _layout.Sides[side];
        bool half = WindowRows.IsHalf(kind.WindowCodec);
        int dimension = kind.Dimension, bytes = kind.RowBytes, ring = _layout.RingRows;
        Span<float> rows = _scratch.Rows((end - first) * dimension);
        for (int row = first; row < Math.Min(end, FirstNewRow);)
        {
            int count = Math.Min(Math.Min(end, FirstNewRow) - row, ring - (row % ring));
            WindowRows.Load(_layer.Ring(side, head, row % ring, count), half, rows.Slice((row - first) * dimension, count * dimension));
            row += count;
        }

        int tokenBytes = _layout.Heads * bytes, firstNew = Math.Max(first, FirstNewRow);
        if (firstNew >= end)
            return rows;
        ReadOnlySpan<byte> rounded = _scratch.Rounded((end - firstNew) * tokenBytes);
        for (int row = firstNew; row < end; row++)
            WindowRows.Load(OfHead(rounded.Slice((row - firstNew) * tokenBytes), side, head), half, rows.Slice((row - first) * dimension, dimension));
        return rows;
    }
}
