
namespace Kvant.Caching;

/// <summary>
/// Where each row of a layer lies, as a function of how many there are: sizes, offsets and the rules by which rows move. Sinks and the ring
/// of the window share one piece of memory, the front; the body lies in pages of 128 rows, in steps: rows leave the window for the newest, and each step for the next as they age.
/// </summary>
internal sealed partial class LayerLayout
{
    private readonly long _kept; // of the newest tokens, those that a query may still see; 0 for all
    private readonly long _waiting; // rows that stay in the window when a block leaves it
    private readonly long[] _frontOffsets; // of a head: sinks and ring of keys and of values; then of each step states and codes of its next block
    private readonly long _headFrontBytes;

    /// <summary>A layout.</summary>
    /// <param name="options">How the cache stores its sequence.</param>
    /// <param name="shape">The shape of the layer.</param>
    /// <param name="eviction">What the layer forgets beside what its sliding window does.</param>
    /// <param name="steps">The newest first.</param>
    public LayerLayout(KvCacheOptions options, LayerGeometry shape, Eviction eviction, params StepLayout[] steps)
    {
        (Options, Shape, Eviction, Steps, Sinks) = (options, shape, eviction, steps, options.Sinks);
        _waiting = (long)options.Window + options.DraftTokens;
        RowBytes = Sides.Sum(side => side.RowBytes);
        _kept = shape.SlidingWindow == 0 ? 0 : (long)shape.SlidingWindow + options.DraftTokens;
        CalibrationRows = steps.Max(step => step.Sides.Max(side => side.Codec.CalibrationRows));

        // The most rows that wait are one less than what lets a block go: window, drafts and a block, or all that calibration wants, or what a cut brings back.
        long unit = steps[^1].BlockRows, most = Math.Max(Math.Max(_waiting + BlockRows, CalibrationRows), unit) - 1;
        long ring = (most + unit - 1) / unit * unit;
        long[] sizes =
        [
            .. Sides.Select(side => (long)Sinks * side.RowBytes), .. Sides.Select(side => ring * side.RowBytes),
            .. steps.SelectMany(step => step.Sides, (_, side) => (long)side.Codec.StateBytes),
            .. Enumerable.Range(0, steps.Length).SelectMany(step => steps[step].Sides, (step, side) => CodingAppends(step) > 1 ? side.BlockBytes(BlockRows) : 0),
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
    }

    /// <summary>How the cache stores its sequence.</summary>
    public KvCacheOptions Options { get; }

    /// <summary>What a layout was before calls coded rows again; null for one that is as it was made.</summary>
    public LayerLayout? Origin { get; init; }

    /// <summary>The codecs of all steps as one entry of a policy.</summary>
    public LayerSpecs Specs => Steps[0].Specs with { Ages = [.. Steps.Skip(1).Select(step => step.AsAge)] };

    /// <summary>The shape of the layer.</summary>
    public LayerGeometry Shape { get; }

    /// <summary>What the layer forgets, beside what its sliding window does.</summary>
    public Eviction Eviction { get; }

    /// <summary>How the body is stored by age, the newest rows first.</summary>
    public StepLayout[] Steps { get; }

    /// <summary>Those of the newest step: keys, then values; keys alone where values are part of them. All steps have the same rows and window.</summary>
    public SideLayout[] Sides => Steps[0].Sides;

    public int Heads => Shape.KvHeads;

    public int Sinks { get; }

    /// <summary>Rows that leave the window together.</summary>
    public int BlockRows => Steps[0].BlockRows;

    /// <summary>Rows that the codecs must see before the first leaves.</summary>
    public int CalibrationRows { get; }

    /// <summary>Rows of the ring: row r of the sequence lies at r modulo this. A multiple of every step's <see cref="StepLayout.BlockRows"/>, so that no block wraps.</summary>
    public int RingRows { get; }

    public long FrontBytes { get; }

    public LayerExtent Empty => new(0, 0, Sinks, 0);

    public long SinkOffset(int side, int head) => (head * _headFrontBytes) + _frontOffsets[side];

    public long RingOffset(int side, int head) => (head * _headFrontBytes) + _frontOffsets[Sides.Length + side];

    public long StateOffset(int step, int side, int head) => (head * _headFrontBytes) + _frontOffsets[((2 + step) * Sides.Length) + side];

    public long NextOffset(int step, int side, int head) => (head * _headFrontBytes) + _frontOffsets[((2 + Steps.Length + step) * Sides.Length) + side];

    /// <summary>Bytes of a row of one head in sinks and window, both sides.</summary>
    public int RowBytes { get; }

    /// <summary>Rows after the sinks: body and window.</summary>
    public int Rows(LayerExtent extent) => Math.Max(0, extent.Length - Sinks);

    /// <summary>The first row after the sinks that lives.</summary>
    public int FirstLiveRow(LayerExtent extent) => extent.FirstLive - Sinks;

    /// <summary>The step that holds a row of the body; the newest for those behind it.</summary>
    public int StepOf(LayerExtent extent, int row)
    {
        int step = Steps.Length - 1;
        while (step > 0 && row >= extent.End(step))
            step--;
        return step;
    }

    /// <summary>The first row of the body's first block with a row that lives; those before are not kept.</summary>
    public int FirstBlockRow(LayerExtent extent)
    {
        int row = Math.Min(FirstLiveRow(extent), extent.BodyRows);
        return row - (row % Steps[StepOf(extent, row)].BlockRows);
    }

    /// <summary>Rows whose blocks are kept: the body, and the block behind it if it was cut.</summary>
    public int StoredRows(LayerExtent extent) => extent.BodyRows + (extent.KeepsCut ? BlockRows : 0);

    /// <summary>The rows of a step whose blocks are kept; those of the newest end with the block that was cut.</summary>
    public (int First, int End) StoredRows(LayerExtent extent, int step)
    {
        int first = Math.Max(FirstBlockRow(extent), extent.End(step + 1)), end = step == 0 ? StoredRows(extent) : extent.End(step);
        return first < end ? (first, end) : (0, 0);
    }

    /// <summary>The pages of a step that hold a block with a row that lives, or one that was cut.</summary>
    public (int First, int End) Pages(LayerExtent extent, int step)
    {
        (int first, int end) = StoredRows(extent, step);
        return first == end ? (0, 0) : (first / SideLayout.PageRows, ((end - 1) / SideLayout.PageRows) + 1);
    }

    /// <summary>Whether the codecs have made their choice.</summary>
    public bool IsCalibrated(LayerExtent extent) => CalibrationRows > 0 && StoredRows(extent) > 0;

    /// <summary>Whether the window may have rows of a block that a cut through an older step left, more than come by themselves.</summary>
    public bool HasPartsOfOlder(LayerExtent extent) => extent.Lost || Rows(extent) - extent.BodyRows >= _waiting + BlockRows;

    /// <summary>Whether some appends, cuts and evictions lead to an extent: what a file must prove.</summary>
    public bool IsPossible(LayerExtent extent)
    {
        if (extent.Length < 0 || extent.BodyRows < 0 || extent.BodyRows % BlockRows != 0 || (extent.Lost && extent.CutRows == 0))
            return false;
        // Blocks of older steps may be larger, and a cut through one leaves more rows; none of them has its codes then.
        int waiting = Rows(extent) - extent.BodyRows, cut = Steps.Length > 1 && extent.BodyRows == extent.End(1) ? Steps[^1].BlockRows : BlockRows;
        bool waits = StoredRows(extent) == 0 && waiting < CalibrationRows;
        return waiting >= 0 && (waits || waiting < Math.Max(_waiting + BlockRows, cut)) && extent.CutRows >= 0 && extent.CutRows <= Math.Min(waiting, (extent.Lost ? cut : BlockRows) - 1)
            && (extent.CutRows == 0 || extent.BodyRows <= int.MaxValue - BlockRows)
            && extent.FirstLive >= Sinks && extent.FirstLive <= Math.Max(Sinks, extent.Length)
            && (Shape.SlidingWindow == 0 ? !extent.Evicted : extent.Evicted ? extent.FirstLive > Sinks : !HasForgotten(extent, extent.Length))
            && ArePossible(extent);
    }

    /// <summary>Appends of one token over which the encoding of a block may be spread: the last ones that find all of its rows, at most as many as it has,
    /// with the one at which it moves.</summary>
    /// <param name="step">Where it moves to.</param>
    public int CodingAppends(int step) => step > 0 && Steps[step].Age >= AgeStep.WhenFull ? AppendsPerSqueeze(step) : (int)Math.Clamp(AgeOf(step) - AgeOf(step - 1) + 1, 0, BlockRows);

    /// <summary>The number among <see cref="CodingAppends"/>, from 1 on, of the append that led to an extent; less where it came too early.</summary>
    public int CodingAppend(LayerExtent extent, int step) => Steps[step].Age == AgeStep.WhenFull ? SqueezingAppend(extent, step) : (int)(Rows(extent) - extent.End(step) - Math.Max(AgeOf(step), AgeOf(step - 1) + BlockRows - 1));

    /// <summary>Whether the block that moves to a step next can be encoded and will be: the codecs have chosen, its rows are there, and one of them lives.</summary>
    public bool MayCode(LayerExtent extent, int step) => (CalibrationRows == 0 || IsCalibrated(extent)) && FirstLiveRow(extent) < extent.End(step) + BlockRows
        && (step == 0 || extent.End(step - 1) >= extent.End(step) + BlockRows || GoesStraightTo(extent, step));

    public LayerExtent AfterAppend(LayerExtent extent, int count)
    {
        int length = checked(extent.Length + count), rows = Math.Max(0, length - Sinks), body = extent.BodyRows;
        long spare = rows - body - _waiting;
        if (spare >= BlockRows && (StoredRows(extent) > 0 || rows >= CalibrationRows))
            body += (int)(spare - (spare % BlockRows));
        long seen = FirstKept(length);
        bool closed = body > extent.BodyRows;
        LayerExtent after = new(length, body, (int)Math.Max(extent.FirstLive, seen), closed ? 0 : extent.CutRows, extent.Evicted && seen <= extent.FirstLive, extent.Lost && !closed)
        {
            Older = extent.Older,
        };
        after = AfterEvict(after, (int)Eviction.FirstLive(length, Sinks));
        return Steps.Length == 1 ? after : Squeezed(Aged(after));
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
        int rows = Math.Max(0, length - Sinks), body = extent.BodyRows, cut = extent.CutRows;
        bool lost = extent.Lost;
        if (rows < body)
        {
            // Rows of a block that was evicted are gone: there is nothing that they could keep.
            int step = StepOf(extent, rows), unit = Steps[step].BlockRows;
            body = rows - (rows % unit);
            (cut, lost) = (body >= FirstBlockRow(extent) ? unit : 0, step > 0);
        }

        StepEnds older = extent.Older;
        for (int step = 1; step < Steps.Length; step++)
            older[step - 1] = Math.Min(older[step - 1], body);
        int firstLive = Math.Max(Sinks, Math.Min(extent.FirstLive, length));
        cut = Math.Min(cut, rows - body);
        return new(length, body, firstLive, cut, extent.Evicted && firstLive > Sinks, lost && cut > 0) { Older = older };
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

    // How many rows are newer than those that leave the window (-1: that enter it), or a step for the next. Drafts may wait for longer than a step's age.
    private long AgeOf(int step) => step < 0 ? 0 : step == 0 ? _waiting : Math.Max(_waiting, Steps[step].Age);

    // What a step has too much of goes to the next.
    private LayerExtent Aged(LayerExtent extent)
    {
        StepEnds older = extent.Older;
        for (int step = 1, newer = extent.BodyRows; step < Steps.Length && Steps[step].Age < AgeStep.WhenFull; newer = older[step - 1], step++)
            older[step - 1] = Math.Max(older[step - 1], EndByAge(extent, step, newer));
        return extent.With(older);
    }

    private int EndByAge(LayerExtent extent, int step, int newer)
    {
        long old = Math.Clamp(Rows(extent) - Steps[step].Age, 0, newer);
        return (int)(old - (old % BlockRows));
    }

    // Steps in order, none shorter than its age lets it be.
    private bool ArePossible(LayerExtent extent)
    {
        int newer = extent.BodyRows;
        for (int step = 1; step <= StepEnds.Count; step++)
        {
            int end = extent.End(step);
            if (end < 0 || end > newer || (step >= Steps.Length && end > 0))
                return false;
            if (step < Steps.Length && (end % Steps[step].BlockRows != 0 || (Steps[step].Age < AgeStep.WhenFull && end < EndByAge(extent, step, newer))))
                return false;
            newer = end;
        }

        return !extent.Lost || extent.BodyRows == extent.End(1);
    }

    /// <summary>What a layer of an extent takes.</summary>
    public CacheStatistics Statistics(LayerExtent extent, long sharedBytes)
    {
        int windowRows = Rows(extent) - extent.BodyRows, deadInWindow = Math.Clamp(FirstLiveRow(extent) - extent.BodyRows, 0, windowRows), sinks = Math.Min(Sinks, extent.Length);
        long rowBytes = (long)Heads * RowBytes, live = sinks + Math.Max(0, extent.Length - extent.FirstLive), held = extent.Length > 0 ? FrontBytes : 0;
        long keyBytes = 0, keyScales = 0, valueBytes = 0, valueScales = 0, dead = 0;
        for (int step = 0; step < Steps.Length; step++)
        {
            (int first, int end) = StoredRows(extent, step);
            if (first == end)
                continue;
            StepLayout kind = Steps[step];
            (int firstPage, int endPage) = Pages(extent, step);
            // What lies before in the first page is dead, or has moved to the next step and is room.
            int firstOfPage = Math.Max(firstPage * SideLayout.PageRows, extent.End(step + 1));
            long kept = (long)Heads * (end - first);
            (keyBytes, keyScales) = (keyBytes + kind.Sides[0].BlockBytes(kept), keyScales + kind.Sides[0].ScaleBytes(kept));
            if (kind.Sides.Length > 1)
                (valueBytes, valueScales) = (valueBytes + kind.Sides[1].BlockBytes(kept), valueScales + kind.Sides[1].ScaleBytes(kept));
            dead += kind.Sides.Sum(side => side.BlockBytes((long)Heads * (first - firstOfPage)));
            held += (endPage - firstPage) * kind.PageBytes;
        }

        var used = new CacheStatistics
        {
            LiveRows = live,
            RecodedRows = Math.Max(0, extent.End(1) - Math.Max(0, FirstLiveRow(extent))),
            WindowRows = windowRows,
            ExactRows = sinks + Math.Max(0, Rows(extent) - Math.Max(extent.BodyRows + extent.CutRows, FirstLiveRow(extent))),
            KeyCodeBytes = keyBytes - keyScales,
            KeyScaleBytes = keyScales,
            ValueCodeBytes = valueBytes - valueScales,
            ValueScaleBytes = valueScales,
            WindowBytes = (windowRows - deadInWindow) * rowBytes,
            SinkBytes = sinks * rowBytes,
            StateBytes = IsCalibrated(extent) ? (long)Heads * Steps.Sum(step => step.Sides.Sum(side => side.Codec.StateBytes)) : 0,
            DeadBytes = (deadInWindow * rowBytes) + dead,
            FreeBytes = 0,
            SharedBytes = sharedBytes,
            Fp16Bytes = live * Shape.Fp16BytesPerToken,
        };
        return used with { FreeBytes = held - used.TotalBytes };
    }
}
