using Kvant.Codecs;
using Kvant.Memory;

namespace Kvant.Caching;

/// <summary>The memory of one layer and what is in it. Trusts its callers: they check, lock and reserve.</summary>
/// <param name="layout">Where each row lies.</param>
/// <param name="pool">Where memory comes from.</param>
/// <param name="turn">When the layer encodes what waits: see <see cref="NextBlock"/>.</param>
internal sealed partial class LayerMemory(LayerLayout layout, PagePool pool, double turn)
{
    private static long s_marks;

    private NativePage? _front;
    private BodyPages[] _pages = Array.ConvertAll(layout.Steps, _ => new BodyPages());
    private Codec[][][] _codecs = Uncalibrated(layout); // [step][side][head]

    public LayerLayout Layout => layout;

    public LayerExtent Extent { get; private set; } = layout.Empty;

    /// <summary>Another number of this process whenever blocks of the body went at its end: as long as it stays, a row that is in the body keeps its bytes, so that who has a copy needs only what came since.</summary>
    public long BodyMark { get; private set; } = Interlocked.Increment(ref s_marks);

    /// <summary>The same of all tokens: as long as it stays, so does what sinks and window hold of each.</summary>
    public long TokenMark { get; private set; } = Interlocked.Increment(ref s_marks);

    public QueryEnergies Queries { get; private init; } = new(layout);

    /// <summary>What is encoded already of rows that wait, and of rows that are about to move to the next step.</summary>
    public NextBlock[] Next { get; private init; } = NextBlocks(layout, turn);

    /// <summary>The same content in the same memory; whoever writes first copies.</summary>
    /// <param name="turn">That of the other layer.</param>
    public LayerMemory Share(double turn)
    {
        _front?.AddUser();
        return new(layout, pool, turn)
        {
            _front = _front,
            _pages = Array.ConvertAll(_pages, pages => pages.Share()),
            _codecs = _codecs,
            Extent = Extent,
            Queries = Queries.Copy(),
            Next = [.. Next.Select((next, step) => next.Copy(Extent, TurnOf(turn, step, layout)))],
        };
    }

    /// <summary>The same content under another layout, in pages that both share and a front that is still to be taken (<see cref="TakeFront"/>).</summary>
    /// <param name="other">Some of this layout's steps, and maybe one more.</param>
    /// <param name="kept">Which.</param>
    /// <param name="turn">As for <see cref="Share"/>.</param>
    public LayerMemory Under(LayerLayout other, int[] kept, double turn)
    {
        LayerMemory memory = new(other, pool, turn) { Queries = Queries.Copy(other) };
        StepEnds ends = default;
        for (int step = 0; step < kept.Length; step++)
        {
            memory._pages[step] = _pages[kept[step]].Share();
            memory._codecs[step] = [.. Enumerable.Range(0, layout.Sides.Length).Select(side => (Codec[])[.. Enumerable.Range(0, layout.Heads).Select(head => Codec(kept[step], side, head))])];
            if (step > 0)
                ends[step - 1] = Extent.End(kept[step]);
        }

        memory.Extent = Extent.With(ends);
        return memory;
    }

    /// <summary>Sets the codecs of the last step, [side][head].</summary>
    public void Choose(Codec[][] codecs) => _codecs[^1] = codecs;

    /// <summary>Takes what the front of a layer of the same rows has, but for codes that were made ahead.</summary>
    public void TakeFront(LayerMemory from)
    {
        Calibrate(_codecs);
        LayerExtent extent = from.Extent;
        int sinks = Math.Min(layout.Sinks, extent.Length);
        for (int side = 0; side < layout.Sides.Length; side++)
        {
            for (int head = 0; head < layout.Heads; head++)
            {
                from.Sinks(side, head, 0, sinks).CopyTo(Sinks(side, head, 0, sinks));
                for (int row = extent.BodyRows; row < layout.Rows(extent); row++)
                    from.Ring(side, head, row % from.Layout.RingRows, 1).CopyTo(Ring(side, head, row % layout.RingRows, 1));
            }
        }
    }

    public Codec Codec(int step, int side, int head) => _codecs[step][side][layout.CalibrationRows == 0 ? 0 : head];

    /// <summary>Rows of the sinks.</summary>
    public Span<byte> Sinks(int side, int head, int row, int count)
    {
        int bytes = layout.Sides[side].RowBytes;
        return _front!.Slice(layout.SinkOffset(side, head) + ((long)row * bytes), count * bytes);
    }

    /// <summary>Rows of the window, by their slots in the ring.</summary>
    public Span<byte> Ring(int side, int head, int slot, int count)
    {
        int bytes = layout.Sides[side].RowBytes;
        return _front!.Slice(layout.RingOffset(side, head) + ((long)slot * bytes), count * bytes);
    }

    /// <summary>What the codec of a head chose.</summary>
    public Span<byte> State(int step, int side, int head) => _front!.Slice(layout.StateOffset(step, side, head), layout.Steps[step].Sides[side].Codec.StateBytes);

    /// <summary>Where codes of the block that moves to a step next wait (<see cref="NextBlock"/>).</summary>
    public Span<byte> NextCodes(int step, int side, int head) =>
        _front!.Slice(layout.NextOffset(step, side, head), (int)layout.Steps[step].Sides[side].BlockBytes(layout.BlockRows));

    /// <summary>Whole blocks of a step of the body; all in one page.</summary>
    public Span<byte> Body(int step, int side, int head, int row, int count)
    {
        StepLayout kind = layout.Steps[step];
        SideLayout stored = kind.Sides[side];
        return _pages[step][row / SideLayout.PageRows]!.Slice(kind.RunOffset(side, head) + stored.BlockBytes(row % SideLayout.PageRows), (int)stored.BlockBytes(count));
    }

    /// <summary>Takes from the pool what this layer must write to and does not have to itself, and brings home what it must read.</summary>
    /// <param name="after">What the layer will be.</param>
    /// <param name="writesFront">Whether sinks, window or state are written.</param>
    /// <param name="reserved">Receives it.</param>
    /// <exception cref="CacheFullException">The pool's limit leaves no room; nothing is taken then.</exception>
    public void Reserve(LayerExtent after, bool writesFront, Stack<Reservation> reserved)
    {
        // What other caches of the pool can do without comes before a refusal.
        if (!TryReserve(after, writesFront, reserved) && !(pool.MakeRoom(BytesToReserve(after, writesFront)) && TryReserve(after, writesFront, reserved)))
            throw pool.Full(BytesToReserve(after, writesFront));
    }

    /// <summary>As <see cref="Reserve"/>, but says whether there is room as it is.</summary>
    /// <param name="after">As there.</param>
    /// <param name="writesFront">As there.</param>
    /// <param name="reserved">As there.</param>
    /// <param name="ofSpare">Whether more is given back than is taken, so that the room that is kept for this may be used.</param>
    public bool TryReserve(LayerExtent after, bool writesFront, Stack<Reservation> reserved, bool ofSpare = false)
    {
        int before = reserved.Count;
        bool fits = TryBringHome(after) && (!NeedsFront(after, writesFront) || TryRent(-1, 0, layout.FrontBytes, reserved, ofSpare));
        for (int step = 0; fits && step < layout.Steps.Length; step++)
        {
            (int first, int end) = layout.Pages(after, step);
            for (int page = FirstWritten(step, first); fits && page < end; page++)
                fits = !NeedsPage(step, page, after) || TryRent(page, step, layout.Steps[step].PageBytes, reserved, ofSpare);
        }

        while (!fits && reserved.Count > before)
            pool.Return(reserved.Pop().Memory);
        for (int step = 0; fits && step < layout.Steps.Length; step++)
            _pages[step].Grow(layout.Pages(Extent, step), layout.Pages(after, step));
        return fits;
    }

    /// <summary>Bytes that <see cref="Reserve"/> would take.</summary>
    public long BytesToReserve(LayerExtent after, bool writesFront)
    {
        long bytes = BytesToBringHome(after) + (NeedsFront(after, writesFront) ? layout.FrontBytes : 0);
        for (int step = 0; step < layout.Steps.Length; step++)
        {
            (int first, int end) = layout.Pages(after, step);
            for (int page = FirstWritten(step, first); page < end; page++)
                bytes += NeedsPage(step, page, after) ? layout.Steps[step].PageBytes : 0;
        }

        return bytes;
    }

    /// <summary>Bytes of pages that go back to the pool as the layer becomes something: those that it holds alone.</summary>
    public long BytesToReturn(LayerExtent after)
    {
        long bytes = 0;
        for (int step = 0; step < layout.Steps.Length; step++)
        {
            (int first, int end) = layout.Pages(after, step);
            (int heldFirst, int heldEnd) = layout.Pages(Extent, step);
            for (int page = heldFirst; page < heldEnd; page++)
                bytes += (page < first || page >= end) && _pages[step][page] is { Users: 1 } alone ? alone.Bytes : 0;
        }

        return bytes;
    }

    /// <summary>Puts reserved memory where it belongs, with a copy of what was there.</summary>
    public void Install(Reservation reserved)
    {
        ref NativePage? place = ref reserved.Page < 0 ? ref _front : ref _pages[reserved.Step][reserved.Page];
        if (place is { } old)
        {
            if (reserved.Page < 0)
                CopyFront(old, reserved.Memory);
            else
                reserved.Memory.CopyFrom(old);
            pool.Return(old);
        }

        place = reserved.Memory;
    }

    /// <summary>Makes the extent true: returns pages that it does not hold and drops the codecs' choice with the last row of the body.</summary>
    public void Become(LayerExtent after)
    {
        for (int step = 0; step < layout.Steps.Length; step++)
        {
            (int first, int end) = layout.Pages(after, step);
            (int heldFirst, int heldEnd) = layout.Pages(Extent, step);
            _pages[step].Return(heldFirst, Math.Min(first, heldEnd), pool);
            _pages[step].Return(Math.Max(end, heldFirst), heldEnd, pool);
        }

        if (after.Length == 0 && _front is not null)
        {
            pool.Return(_front);
            _front = null;
        }

        if (after.Length == 0)
            Queries.Clear();
        if (!layout.IsCalibrated(after) && layout.IsCalibrated(Extent))
            _codecs = Uncalibrated(layout);
        foreach (NextBlock next in Next)
            next.Follow(after);
        Mark(after);
        Extent = after;
    }

    /// <summary>Returns all pages, also those that were installed for an extent that did not come true.</summary>
    public void GiveUp()
    {
        foreach (BodyPages pages in _pages)
            pages.ReturnAll(pool);
        if (_front is not null)
            pool.Return(_front);
        _front = null;
    }

    /// <summary>Returns pages that were installed for an extent that did not come true.</summary>
    public void Abandon(LayerExtent after)
    {
        for (int step = 0; step < layout.Steps.Length; step++)
        {
            (int first, int end) = layout.Pages(after, step);
            _pages[step].Return(Math.Max(first, layout.Pages(Extent, step).End), end, pool);
        }

        if (Extent.Length == 0 && _front is not null)
        {
            pool.Return(_front);
            _front = null;
        }
    }

    /// <summary>Sets the codecs of the heads.</summary>
    /// <param name="calibrated">[step][side][head].</param>
    public void Calibrate(Codec[][][] calibrated)
    {
        _codecs = calibrated;
        for (int step = 0; step < layout.Steps.Length; step++)
        {
            for (int side = 0; side < layout.Sides.Length; side++)
            {
                for (int head = 0; head < layout.Heads; head++)
                    calibrated[step][side][head].State.CopyTo(State(step, side, head));
            }
        }
    }

    /// <summary>Encodes the rows of the block behind the body: anew, or on what is left where it was cut.</summary>
    /// <param name="side">0 for keys, 1 for values.</param>
    /// <param name="head">Key-value head.</param>
    /// <param name="extent">What the layer is as the block waits.</param>
    /// <param name="rows">Its rows.</param>
    /// <param name="codes">Receives the codes; not the place of the block, where it was cut.</param>
    public void Close(int side, int head, LayerExtent extent, ReadOnlySpan<float> rows, Span<byte> codes)
    {
        if (extent.KeepsCut)
            Codec(0, side, head).Reencode(rows, Body(0, side, head, extent.BodyRows, layout.BlockRows), extent.CutRows, codes, extent.BodyRows);
        else
            Codec(0, side, head).Encode(rows, codes, extent.BodyRows);
    }

    /// <summary>Rows of a head as the window stores them, read from the ring or from those that are on their way into it.</summary>
    /// <param name="side">0 for keys, 1 for values.</param>
    /// <param name="head">Key-value head.</param>
    /// <param name="first">The first row.</param>
    /// <param name="end">The row behind the last.</param>
    /// <param name="rounded">Rows that are not in the ring yet, [row, head].</param>
    /// <param name="roundedFrom">The first of those; the ring has all before it.</param>
    /// <param name="rows">Receives the rows.</param>
    public void Gather(int side, int head, int first, int end, ReadOnlySpan<byte> rounded, int roundedFrom, Span<float> rows)
    {
        SideLayout kind = layout.Sides[side];
        bool half = WindowRows.IsHalf(kind.WindowCodec);
        int dimension = kind.Dimension, bytes = kind.RowBytes;
        for (int row = first; row < Math.Min(end, roundedFrom);)
        {
            int count = Math.Min(Math.Min(end, roundedFrom) - row, layout.RingRows - (row % layout.RingRows));
            WindowRows.Load(Ring(side, head, row % layout.RingRows, count), half, rows.Slice((row - first) * dimension, count * dimension));
            row += count;
        }

        for (int row = Math.Max(first, roundedFrom); row < end; row++)
            WindowRows.Load(rounded.Slice((((row - roundedFrom) * layout.Heads) + head) * bytes, bytes), half, rows.Slice((row - first) * dimension, dimension));
    }

    /// <summary>As <see cref="Gather"/>, but as they are stored.</summary>
    public void GatherStored(int side, int head, int first, int end, ReadOnlySpan<byte> rounded, int roundedFrom, Span<byte> rows)
    {
        int bytes = layout.Sides[side].RowBytes;
        for (int row = first; row < end; row++)
        {
            ReadOnlySpan<byte> stored = row < roundedFrom ? Ring(side, head, row % layout.RingRows, 1) : rounded.Slice((((row - roundedFrom) * layout.Heads) + head) * bytes, bytes);
            stored.CopyTo(rows.Slice((row - first) * bytes, bytes));
        }
    }

    /// <summary>Leaves the table as long as it must be, and no codes of rows that wait.</summary>
    public void Trim()
    {
        foreach (NextBlock next in Next)
            next.Drop();
        for (int step = 0; step < layout.Steps.Length; step++)
            _pages[step].Trim(layout.Pages(Extent, step));
    }

    public CacheStatistics Statistics()
    {
        long shared = _front is { Users: > 1 } ? _front.Bytes : 0;
        foreach (BodyPages pages in _pages)
            shared += pages.SharedBytes;
        return layout.Statistics(Extent, shared) with { AwayBytes = _pages.Sum(pages => pages.AwayBytes) };
    }

    // What is there, not all that there is room for: a window may be much larger than the sequence, and memory that nobody touched costs nothing.
    private void CopyFront(NativePage from, NativePage to)
    {
        int sinks = Math.Min(layout.Sinks, Extent.Length), rows = layout.Rows(Extent) - Extent.BodyRows;
        int slot = rows == 0 ? 0 : Extent.BodyRows % layout.RingRows, untilEnd = Math.Min(rows, layout.RingRows - slot); // a ring may have no room at all
        for (int side = 0; side < layout.Sides.Length; side++)
        {
            int rowBytes = layout.Sides[side].RowBytes;
            for (int head = 0; head < layout.Heads; head++)
            {
                long ring = layout.RingOffset(side, head);
                Copy(layout.SinkOffset(side, head), sinks * rowBytes);
                Copy(ring + ((long)slot * rowBytes), untilEnd * rowBytes);
                Copy(ring, (rows - untilEnd) * rowBytes);
                for (int step = 0; step < layout.Steps.Length; step++)
                {
                    SideLayout kind = layout.Steps[step].Sides[side];
                    Copy(layout.StateOffset(step, side, head), layout.IsCalibrated(Extent) ? kind.Codec.StateBytes : 0);
                    Copy(layout.NextOffset(step, side, head), Next[step].HasCodes(side, head) ? (int)kind.BlockBytes(layout.BlockRows) : 0);
                }
            }
        }

        void Copy(long start, int length) => from.Slice(start, length).CopyTo(to.Slice(start, length));
    }

    private void Mark(LayerExtent after)
    {
        if (after.Length < Extent.Length)
            TokenMark = Interlocked.Increment(ref s_marks);
        for (int step = 0; step < layout.Steps.Length; step++)
        {
            if (after.End(step) < Extent.End(step))
                BodyMark = Interlocked.Increment(ref s_marks);
        }
    }

    private bool NeedsFront(LayerExtent after, bool writesFront) => after.Length > 0 && (_front is null || (writesFront && _front.Users > 1));

    // Pages before are full.
    private int FirstWritten(int step, int first) => Math.Max(first, Extent.End(step) / SideLayout.PageRows);

    // One that is not there, or that gets blocks and is shared.
    private bool NeedsPage(int step, int page, LayerExtent after) =>
        _pages[step].Find(page) is not { } held || (held.Users > 1 && after.End(step) > Extent.End(step));

    private bool TryRent(int page, int step, long bytes, Stack<Reservation> reserved, bool ofSpare)
    {
        if (!pool.TryRent(bytes, out NativePage? memory, ofSpare))
            return false;
        reserved.Push(new(this, page, step, memory));
        return true;
    }

    private static NextBlock[] NextBlocks(LayerLayout layout, double turn) =>
        [.. Enumerable.Range(0, layout.Steps.Length).Select(step => new NextBlock(layout, step, TurnOf(turn, step, layout)))];

    // Steps at moments that lie apart, as layers do.
    private static double TurnOf(double turn, int step, LayerLayout layout) => (turn + ((double)step / layout.Steps.Length)) % 1;

    private static Codec[][][] Uncalibrated(LayerLayout layout) =>
        Array.ConvertAll(layout.Steps, step => Array.ConvertAll(step.Sides, side => (Codec[])[side.Codec]));
}
