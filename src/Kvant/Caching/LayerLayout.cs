
namespace Kvant.Caching;

/// <summary>
/// Where each row of a layer lies, as a function of how many there are: sizes, offsets and the rules by which rows move. Sinks and the ring
/// of the window share one piece of memory, the front; the body lies in pages of 128 rows.
/// </summary>
internal sealed class LayerLayout
{
    private readonly long _kept; // of the newest tokens, those that a query may still see; 0 for all
    private readonly long _waiting; // rows that stay in the window when a block leaves it
    private readonly long[] _frontOffsets; // of a head: sinks, ring, state and codes of the next block, of keys and of values
    private readonly long _headFrontBytes;
    private readonly long _runBytes; // of a head in a page

    /// <summary>A layout.</summary>
    /// <param name="options">How the cache stores its sequence.</param>
    /// <param name="shape">The shape of the layer.</param>
    /// <param name="eviction">What the layer forgets beside what its sliding window does.</param>
    /// <param name="sides">Keys, then values unless those are part of the keys.</param>
    public LayerLayout(KvCacheOptions options, LayerGeometry shape, Eviction eviction, params SideLayout[] sides)
    {
        (Shape, Eviction, Sides, Sinks) = (shape, eviction, sides, options.Sinks);
        _waiting = (long)options.Window + options.DraftTokens;
        (RowBytes, _runBytes) = (sides.Sum(side => side.RowBytes), sides.Sum(side => (long)side.RunBytes));
        _kept = shape.SlidingWindow == 0 ? 0 : (long)shape.SlidingWindow + options.DraftTokens;
        BlockRows = sides.Max(side => side.Codec.RowsPerBlock);
        if (Array.Exists(sides, side => SideLayout.PageRows % side.Codec.RowsPerBlock != 0))
            throw new ArgumentException($"Blocks of {string.Join(" and ", sides.Select(side => side.Codec.RowsPerBlock))} rows do not divide a page of {SideLayout.PageRows}.", nameof(options));
        CalibrationRows = sides.Max(side => side.Codec.CalibrationRows);

        // The most rows that wait are one less than what lets a block go: window, drafts and a block, or all that calibration wants.
        long most = Math.Max(_waiting + BlockRows, CalibrationRows) - 1;
        long ring = (most + BlockRows - 1) / BlockRows * BlockRows;
        long[] sizes =
        [
            .. sides.Select(side => (long)Sinks * side.RowBytes), .. sides.Select(side => ring * side.RowBytes), .. sides.Select(side => (long)side.Codec.StateBytes),
            .. sides.Select(side => CodingAppends > 1 ? side.BlockBytes(BlockRows) : 0),
        ];
        _frontOffsets = new long[sizes.Length];
        foreach ((int i, long size) in sizes.Index())
        {
            if (size > int.MaxValue)
                throw new ArgumentException($"A head's sinks or window take {size} bytes; at most {int.MaxValue} are possible.", nameof(options));
            _frontOffsets[i] = _headFrontBytes;
            _headFrontBytes += SideLayout.Align(size);
        }

        RingRows = (int)ring;
        // A layer without sinks, window and choices has a front all the same: pages that take no room have no place of their own.
        FrontBytes = Math.Max(SideLayout.Align(1), checked(Heads * _headFrontBytes));
        PageBytes = checked(Heads * _runBytes);
    }

    /// <summary>The shape of the layer.</summary>
    public LayerGeometry Shape { get; }

    /// <summary>What the layer forgets, beside what its sliding window does.</summary>
    public Eviction Eviction { get; }

    /// <summary>Keys, then values; keys alone where values are part of them.</summary>
    public SideLayout[] Sides { get; }

    public int Heads => Shape.KvHeads;

    public int Sinks { get; }

    /// <summary>Rows that leave the window together.</summary>
    public int BlockRows { get; }

    /// <summary>Rows that the codecs must see before the first leaves.</summary>
    public int CalibrationRows { get; }

    /// <summary>Rows of the ring: row r of the sequence lies at r modulo this. A multiple of <see cref="BlockRows"/>, so that no block wraps.</summary>
    public int RingRows { get; }

    public long FrontBytes { get; }

    public long PageBytes { get; }

    public LayerExtent Empty => new(0, 0, Sinks, 0);

    public long SinkOffset(int side, int head) => (head * _headFrontBytes) + _frontOffsets[side];

    public long RingOffset(int side, int head) => (head * _headFrontBytes) + _frontOffsets[Sides.Length + side];

    public long StateOffset(int side, int head) => (head * _headFrontBytes) + _frontOffsets[(2 * Sides.Length) + side];

    public long NextOffset(int side, int head) => (head * _headFrontBytes) + _frontOffsets[(3 * Sides.Length) + side];

    public long RunOffset(int side, int head) => (head * _runBytes) + (side == 0 ? 0 : Sides[0].RunBytes);

    /// <summary>Bytes of a row of one head in sinks and window, both sides.</summary>
    public int RowBytes { get; }

    /// <summary>Rows after the sinks: body and window.</summary>
    public int Rows(LayerExtent extent) => Math.Max(0, extent.Length - Sinks);

    /// <summary>The first row after the sinks that lives.</summary>
    public int FirstLiveRow(LayerExtent extent) => extent.FirstLive - Sinks;

    /// <summary>The first row of the body's first block with a row that lives; those before are not kept.</summary>
    public int FirstBlockRow(LayerExtent extent)
    {
        int row = Math.Min(FirstLiveRow(extent), extent.BodyRows);
        return row - (row % BlockRows);
    }

    /// <summary>Rows whose blocks are kept: the body, and the block behind it if it was cut.</summary>
    public int StoredRows(LayerExtent extent) => extent.BodyRows + (extent.CutRows > 0 ? BlockRows : 0);

    /// <summary>The pages that hold a block with a row that lives, or one that was cut.</summary>
    public (int First, int End) Pages(LayerExtent extent)
    {
        int first = FirstBlockRow(extent), end = StoredRows(extent);
        return first == end ? (0, 0) : (first / SideLayout.PageRows, (end - 1) / SideLayout.PageRows + 1);
    }

    /// <summary>Whether the codecs have made their choice.</summary>
    public bool IsCalibrated(LayerExtent extent) => CalibrationRows > 0 && StoredRows(extent) > 0;

    /// <summary>Whether some appends, cuts and evictions lead to an extent: what a file must prove.</summary>
    public bool IsPossible(LayerExtent extent)
    {
        if (extent.Length < 0 || extent.BodyRows < 0 || extent.BodyRows % BlockRows != 0)
            return false;
        int waiting = Rows(extent) - extent.BodyRows;
        bool waits = StoredRows(extent) == 0 && waiting < CalibrationRows;
        return waiting >= 0 && (waits || waiting < _waiting + BlockRows) && extent.CutRows >= 0 && extent.CutRows <= Math.Min(waiting, BlockRows - 1)
            && (extent.CutRows == 0 || extent.BodyRows <= int.MaxValue - BlockRows)
            && extent.FirstLive >= Sinks && extent.FirstLive <= Math.Max(Sinks, extent.Length)
            && (Shape.SlidingWindow == 0 ? !extent.Evicted : extent.Evicted ? extent.FirstLive > Sinks : !HasForgotten(extent, extent.Length));
    }

    /// <summary>Appends of one token over which the encoding of a block may be spread: the last ones that find all of its rows, at most as many as it has,
    /// with the one at which it leaves the window.</summary>
    public int CodingAppends => (int)Math.Min(BlockRows, _waiting + 1);

    /// <summary>The number among <see cref="CodingAppends"/>, from 1 on, of the append that led to an extent; less where it came too early.</summary>
    public int CodingAppend(LayerExtent extent) => (int)(Rows(extent) - extent.BodyRows - Math.Max(_waiting, BlockRows - 1));

    /// <summary>Whether the block that leaves the window next can be encoded and will be: the codecs have chosen, and one of its rows lives.</summary>
    public bool MayCode(LayerExtent extent) => (CalibrationRows == 0 || IsCalibrated(extent)) && FirstLiveRow(extent) < extent.BodyRows + BlockRows;

    public LayerExtent AfterAppend(LayerExtent extent, int count)
    {
        int length = checked(extent.Length + count), rows = Math.Max(0, length - Sinks), body = extent.BodyRows;
        long spare = rows - body - _waiting;
        if (spare >= BlockRows && (StoredRows(extent) > 0 || rows >= CalibrationRows))
            body += (int)(spare - (spare % BlockRows));
        long seen = FirstKept(length);
        LayerExtent after = new(length, body, (int)Math.Max(extent.FirstLive, seen), body > extent.BodyRows ? 0 : extent.CutRows, extent.Evicted && seen <= extent.FirstLive);
        return AfterEvict(after, (int)Eviction.FirstLive(length, Sinks));
    }

    /// <summary>What a layer becomes as a caller or a rule wants tokens to be forgotten.</summary>
    /// <param name="extent">What it is.</param>
    /// <param name="firstLive">The first token beside the sinks that stays.</param>
    public LayerExtent AfterEvict(LayerExtent extent, int firstLive) =>
        firstLive > Sinks && firstLive >= extent.FirstLive ? extent with { FirstLive = firstLive, Evicted = Shape.SlidingWindow > 0 } : extent;

    public LayerExtent AfterTruncate(LayerExtent extent, int length)
    {
        if (length >= extent.Length)
            return extent;
        int rows = Math.Max(0, length - Sinks), body = Math.Min(extent.BodyRows, rows - (rows % BlockRows));

        // Rows of a block that was evicted are gone: there is nothing that they could keep.
        int decoded = body == extent.BodyRows ? extent.CutRows : body >= FirstBlockRow(extent) ? BlockRows : 0;
        int firstLive = Math.Max(Sinks, Math.Min(extent.FirstLive, length));
        return new(length, body, firstLive, Math.Min(decoded, rows - body), extent.Evicted && firstLive > Sinks);
    }

    /// <summary>Whether more tokens would make the layer forget some.</summary>
    public bool WouldEvict(LayerExtent extent, int incoming) =>
        Math.Max(Eviction.FirstLive((long)extent.Length + incoming, Sinks), FirstKept((long)extent.Length + incoming)) > extent.FirstLive;

    /// <summary>Whether a cut would leave the sliding window without tokens that nobody wanted to be forgotten.</summary>
    /// <param name="extent">What the layer is.</param>
    /// <param name="length">Tokens that would stay, at most as many as there are.</param>
    public bool HasForgotten(LayerExtent extent, int length) =>
        Shape.SlidingWindow > 0 && !extent.Evicted && length > Sinks && extent.FirstLive > Math.Max(Sinks, length - Shape.SlidingWindow);

    // The first token that the sliding window of a sequence of a length has not left behind.
    private long FirstKept(long length) => _kept == 0 ? 0 : length - _kept;

    /// <summary>What a layer of an extent takes.</summary>
    public CacheStatistics Statistics(LayerExtent extent, long sharedBytes)
    {
        int windowRows = Rows(extent) - extent.BodyRows, deadInWindow = Math.Clamp(FirstLiveRow(extent) - extent.BodyRows, 0, windowRows);
        (int firstPage, int endPage) = Pages(extent);
        int firstBlock = FirstBlockRow(extent), sinks = Math.Min(Sinks, extent.Length);
        long kept = (long)Heads * (StoredRows(extent) - firstBlock), dead = endPage == 0 ? 0 : (long)Heads * (firstBlock - (firstPage * SideLayout.PageRows));
        long rowBytes = (long)Heads * RowBytes, live = sinks + Math.Max(0, extent.Length - extent.FirstLive);
        SideLayout keys = Sides[0];
        SideLayout? values = Sides.ElementAtOrDefault(1);
        var used = new CacheStatistics
        {
            LiveRows = live,
            WindowRows = windowRows,
            ExactRows = sinks + Math.Max(0, Rows(extent) - Math.Max(extent.BodyRows + extent.CutRows, FirstLiveRow(extent))),
            KeyCodeBytes = keys.BlockBytes(kept) - keys.ScaleBytes(kept),
            KeyScaleBytes = keys.ScaleBytes(kept),
            ValueCodeBytes = values is null ? 0 : values.BlockBytes(kept) - values.ScaleBytes(kept),
            ValueScaleBytes = values?.ScaleBytes(kept) ?? 0,
            WindowBytes = (windowRows - deadInWindow) * rowBytes,
            SinkBytes = sinks * rowBytes,
            StateBytes = IsCalibrated(extent) ? (long)Heads * Sides.Sum(side => side.Codec.StateBytes) : 0,
            DeadBytes = (deadInWindow * rowBytes) + Sides.Sum(side => side.BlockBytes(dead)),
            FreeBytes = 0,
            SharedBytes = sharedBytes,
            Fp16Bytes = live * Shape.Fp16BytesPerToken,
        };
        long held = (extent.Length > 0 ? FrontBytes : 0) + ((endPage - firstPage) * PageBytes);
        return used with { FreeBytes = held - used.TotalBytes };
    }
}
