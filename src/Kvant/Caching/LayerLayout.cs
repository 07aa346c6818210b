using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>
/// Where each row of a layer lies, as a function of how many there are: sizes, offsets and the rules by which rows move. Sinks and the ring
/// of the window share one piece of memory, the front; the body lies in pages of 128 rows.
/// </summary>
internal sealed class LayerLayout
{
    private readonly Eviction _eviction;
    private readonly long _waiting; // rows that stay in the window when a block leaves it
    private readonly long[] _frontOffsets; // of a head: sinks, ring and state, of keys and of values
    private readonly long _headFrontBytes;

    public LayerLayout(KvCacheOptions options, SideLayout keys, SideLayout values)
    {
        (_eviction, _waiting, Sinks, Heads) = (options.Eviction, (long)options.Window + options.DraftTokens, options.Sinks, options.Geometry.KvHeads);
        Sides = [keys, values];
        (GroupSize, Rotary) = (options.Geometry.GroupSize, options.Geometry.Rotary);
        _ = Rotary?.Speeds(keys.Dimension); // does it fit?
        BlockRows = Math.Max(keys.Codec.RowsPerBlock, values.Codec.RowsPerBlock);
        if (SideLayout.PageRows % keys.Codec.RowsPerBlock != 0 || SideLayout.PageRows % values.Codec.RowsPerBlock != 0)
            throw new ArgumentException($"Blocks of {keys.Codec.RowsPerBlock} and {values.Codec.RowsPerBlock} rows do not divide a page of {SideLayout.PageRows}.", nameof(options));
        CalibrationRows = Math.Max(keys.Codec.CalibrationRows, values.Codec.CalibrationRows);

        // The most rows that wait are one less than what lets a block go: window, drafts and a block, or all that calibration wants.
        long most = Math.Max(_waiting + BlockRows, CalibrationRows) - 1;
        RingRows = checked((int)((most + BlockRows - 1) / BlockRows * BlockRows));
        long[] sizes =
        [
            (long)Sinks * keys.RowBytes, (long)Sinks * values.RowBytes, (long)RingRows * keys.RowBytes, (long)RingRows * values.RowBytes,
            keys.Codec.StateBytes, values.Codec.StateBytes,
        ];
        _frontOffsets = new long[sizes.Length];
        foreach ((int i, long size) in sizes.Index())
        {
            if (size > int.MaxValue)
                throw new ArgumentException($"A head's sinks or window take {size} bytes; at most {int.MaxValue} are possible.", nameof(options));
            _frontOffsets[i] = _headFrontBytes;
            _headFrontBytes += SideLayout.Align(size);
        }

        // A layer without sinks, window and choices has a front all the same: pages that take no room have no place of their own.
        FrontBytes = Math.Max(SideLayout.Align(1), checked(Heads * _headFrontBytes));
        PageBytes = checked((long)Heads * (keys.RunBytes + values.RunBytes));
    }

    /// <summary>Keys, then values.</summary>
    public SideLayout[] Sides { get; }

    public int Heads { get; }

    public int Sinks { get; }

    /// <summary>Query heads that share a key-value head.</summary>
    public int GroupSize { get; }

    /// <summary>How positions turn keys, where somebody said so.</summary>
    public RotaryEmbedding? Rotary { get; }

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

    public long RingOffset(int side, int head) => (head * _headFrontBytes) + _frontOffsets[2 + side];

    public long StateOffset(int side, int head) => (head * _headFrontBytes) + _frontOffsets[4 + side];

    public long RunOffset(int side, int head) => ((long)head * (Sides[0].RunBytes + Sides[1].RunBytes)) + (side == 0 ? 0 : Sides[0].RunBytes);

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
            && extent.FirstLive >= Sinks && extent.FirstLive <= Math.Max(Sinks, extent.Length);
    }

    public LayerExtent AfterAppend(LayerExtent extent, int count)
    {
        int length = checked(extent.Length + count), rows = Math.Max(0, length - Sinks), body = extent.BodyRows;
        long spare = rows - body - _waiting;
        if (spare >= BlockRows && (StoredRows(extent) > 0 || rows >= CalibrationRows))
            body += (int)(spare - (spare % BlockRows));
        return new(length, body, Math.Max(extent.FirstLive, _eviction.FirstLive(length, Sinks)), body > extent.BodyRows ? 0 : extent.CutRows);
    }

    public LayerExtent AfterTruncate(LayerExtent extent, int length)
    {
        if (length >= extent.Length)
            return extent;
        int rows = Math.Max(0, length - Sinks), body = Math.Min(extent.BodyRows, rows - (rows % BlockRows));

        // Rows of a block that was evicted are gone: there is nothing that they could keep.
        int decoded = body == extent.BodyRows ? extent.CutRows : body >= FirstBlockRow(extent) ? BlockRows : 0;
        return new(length, body, Math.Max(Sinks, Math.Min(extent.FirstLive, length)), Math.Min(decoded, rows - body));
    }

    /// <summary>Whether more tokens would make the eviction rule forget some.</summary>
    public bool WouldEvict(LayerExtent extent, int incoming)
    {
        long length = (long)extent.Length + incoming;
        return _eviction.FirstLive(length, Sinks) > extent.FirstLive;
    }

    /// <summary>What a layer of an extent takes.</summary>
    public CacheStatistics Statistics(LayerExtent extent, long sharedBytes)
    {
        int windowRows = Rows(extent) - extent.BodyRows, deadInWindow = Math.Clamp(FirstLiveRow(extent) - extent.BodyRows, 0, windowRows);
        (int firstPage, int endPage) = Pages(extent);
        int firstBlock = FirstBlockRow(extent), sinks = Math.Min(Sinks, extent.Length);
        long kept = (long)Heads * (StoredRows(extent) - firstBlock), dead = endPage == 0 ? 0 : (long)Heads * (firstBlock - (firstPage * SideLayout.PageRows));
        long rowBytes = (long)Heads * (Sides[0].RowBytes + Sides[1].RowBytes), live = sinks + Math.Max(0, extent.Length - extent.FirstLive);
        var used = new CacheStatistics
        {
            LiveRows = live,
            WindowRows = windowRows,
            ExactRows = sinks + Math.Max(0, Rows(extent) - Math.Max(extent.BodyRows + extent.CutRows, FirstLiveRow(extent))),
            KeyCodeBytes = Sides[0].BlockBytes(kept) - Sides[0].ScaleBytes(kept),
            KeyScaleBytes = Sides[0].ScaleBytes(kept),
            ValueCodeBytes = Sides[1].BlockBytes(kept) - Sides[1].ScaleBytes(kept),
            ValueScaleBytes = Sides[1].ScaleBytes(kept),
            WindowBytes = (windowRows - deadInWindow) * rowBytes,
            SinkBytes = sinks * rowBytes,
            StateBytes = IsCalibrated(extent) ? (long)Heads * (Sides[0].Codec.StateBytes + Sides[1].Codec.StateBytes) : 0,
            DeadBytes = (deadInWindow * rowBytes) + Sides[0].BlockBytes(dead) + Sides[1].BlockBytes(dead),
            FreeBytes = 0,
            SharedBytes = sharedBytes,
            Fp16Bytes = live * 2 * Heads * (Sides[0].Dimension + Sides[1].Dimension),
        };
        long held = (extent.Length > 0 ? FrontBytes : 0) + ((endPage - firstPage) * PageBytes);
        return used with { FreeBytes = held - used.TotalBytes };
    }
}
