using Kvant.Codecs;
using Kvant.Memory;

namespace Kvant.Caching;

/// <summary>The memory of one layer and what is in it. Trusts its callers: they check, lock and reserve.</summary>
/// <param name="layout">Where each row lies.</param>
/// <param name="pool">Where memory comes from.</param>
/// <param name="turn">When the layer encodes what waits: see <see cref="NextBlock"/>.</param>
internal sealed class LayerMemory(LayerLayout layout, PagePool pool, double turn)
{
    private NativePage? _front;
    private NativePage?[] _pages = []; // from page _firstPage on
    private int _firstPage;
    private Codec[][] _codecs = Uncalibrated(layout);

    public LayerLayout Layout => layout;

    public LayerExtent Extent { get; private set; } = layout.Empty;

    public QueryEnergies Queries { get; private init; } = new(layout);

    /// <summary>What is encoded already of rows that wait.</summary>
    public NextBlock Next { get; private init; } = new(layout, turn);

    /// <summary>The same content in the same memory; whoever writes first copies.</summary>
    /// <param name="turn">That of the other layer.</param>
    public LayerMemory Share(double turn)
    {
        _front?.AddUser();
        foreach (NativePage? page in _pages)
            page?.AddUser();
        return new(layout, pool, turn)
        {
            _front = _front,
            _pages = [.. _pages],
            _firstPage = _firstPage,
            _codecs = _codecs,
            Extent = Extent,
            Queries = Queries.Copy(),
            Next = Next.Copy(Extent, turn),
        };
    }

    public Codec Codec(int side, int head) => _codecs[side][layout.CalibrationRows == 0 ? 0 : head];

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
    public Span<byte> State(int side, int head) => _front!.Slice(layout.StateOffset(side, head), layout.Sides[side].Codec.StateBytes);

    /// <summary>Where codes of the block that leaves the window next wait (<see cref="NextBlock"/>).</summary>
    public Span<byte> NextCodes(int side, int head) => _front!.Slice(layout.NextOffset(side, head), (int)layout.Sides[side].BlockBytes(layout.BlockRows));

    /// <summary>Whole blocks of the body; all in one page.</summary>
    public Span<byte> Body(int side, int head, int row, int count)
    {
        SideLayout kind = layout.Sides[side];
        int page = row / SideLayout.PageRows;
        return _pages[page - _firstPage]!.Slice(layout.RunOffset(side, head) + kind.BlockBytes(row % SideLayout.PageRows), (int)kind.BlockBytes(count));
    }

    /// <summary>Takes from the pool what this layer must write to and does not have to itself.</summary>
    /// <param name="after">What the layer will be.</param>
    /// <param name="writesFront">Whether sinks, window or state are written.</param>
    /// <param name="reserved">Receives it.</param>
    /// <exception cref="CacheFullException">The pool's limit leaves no room; nothing is taken then.</exception>
    public void Reserve(LayerExtent after, bool writesFront, Stack<Reservation> reserved)
    {
        if (!TryReserve(after, writesFront, reserved))
            throw pool.Full(BytesToReserve(after, writesFront));
    }

    /// <summary>As <see cref="Reserve"/>, but says whether there is room.</summary>
    public bool TryReserve(LayerExtent after, bool writesFront, Stack<Reservation> reserved)
    {
        int before = reserved.Count;
        (int first, int end) = layout.Pages(after);
        bool fits = !NeedsFront(after, writesFront) || TryRent(-1, layout.FrontBytes, reserved);
        for (int page = FirstWritten(first); fits && page < end; page++)
            fits = !NeedsPage(page, after) || TryRent(page, layout.PageBytes, reserved);
        while (!fits && reserved.Count > before)
            pool.Return(reserved.Pop().Memory);
        if (fits && (first < _firstPage || end > _firstPage + _pages.Length))
            GrowTable(first, end);
        return fits;
    }

    /// <summary>Bytes that <see cref="Reserve"/> would take.</summary>
    public long BytesToReserve(LayerExtent after, bool writesFront)
    {
        (int first, int end) = layout.Pages(after);
        long bytes = NeedsFront(after, writesFront) ? layout.FrontBytes : 0;
        for (int page = FirstWritten(first); page < end; page++)
            bytes += NeedsPage(page, after) ? layout.PageBytes : 0;
        return bytes;
    }

    /// <summary>Puts reserved memory where it belongs, with a copy of what was there.</summary>
    public void Install(Reservation reserved)
    {
        ref NativePage? place = ref reserved.Page < 0 ? ref _front : ref _pages[reserved.Page - _firstPage];
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
        (int first, int end) = layout.Pages(after);
        (int heldFirst, int heldEnd) = layout.Pages(Extent);
        Return(heldFirst, Math.Min(first, heldEnd));
        Return(Math.Max(end, heldFirst), heldEnd);
        if (after.Length == 0 && _front is not null)
        {
            pool.Return(_front);
            _front = null;
        }

        if (after.Length == 0)
            Queries.Clear();
        if (!layout.IsCalibrated(after) && layout.IsCalibrated(Extent))
            _codecs = Uncalibrated(layout);
        Next.Follow(after);
        Extent = after;
    }

    /// <summary>Returns pages that were installed for an extent that did not come true.</summary>
    public void Abandon(LayerExtent after)
    {
        (int first, int end) = layout.Pages(after);
        Return(Math.Max(first, layout.Pages(Extent).End), end);
        if (Extent.Length == 0 && _front is not null)
        {
            pool.Return(_front);
            _front = null;
        }
    }

    /// <summary>Sets the codecs of the heads.</summary>
    /// <param name="calibrated">[side][head].</param>
    public void Calibrate(Codec[][] calibrated)
    {
        _codecs = calibrated;
        for (int side = 0; side < layout.Sides.Length; side++)
        {
            for (int head = 0; head < layout.Heads; head++)
                calibrated[side][head].State.CopyTo(State(side, head));
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
        if (extent.CutRows == 0)
            Codec(side, head).Encode(rows, codes, extent.BodyRows);
        else
            Codec(side, head).Reencode(rows, Body(side, head, extent.BodyRows, layout.BlockRows), extent.CutRows, codes, extent.BodyRows);
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

    /// <summary>Leaves the table as long as it must be, and no codes of rows that wait.</summary>
    public void Trim()
    {
        Next.Drop();
        (int first, int end) = layout.Pages(Extent);
        (_pages, _firstPage) = (first == end ? [] : _pages.AsSpan(first - _firstPage, end - first).ToArray(), first);
    }

    public CacheStatistics Statistics()
    {
        long shared = _front is { Users: > 1 } ? _front.Bytes : 0;
        foreach (NativePage? page in _pages)
            shared += page is { Users: > 1 } ? page.Bytes : 0;
        return layout.Statistics(Extent, shared);
    }

    // What is there, not all that there is room for: a window may be much larger than the sequence, and memory that nobody touched costs nothing.
    private void CopyFront(NativePage from, NativePage to)
    {
        int sinks = Math.Min(layout.Sinks, Extent.Length), rows = layout.Rows(Extent) - Extent.BodyRows;
        int slot = rows == 0 ? 0 : Extent.BodyRows % layout.RingRows, untilEnd = Math.Min(rows, layout.RingRows - slot); // a ring may have no room at all
        for (int side = 0; side < layout.Sides.Length; side++)
        {
            int rowBytes = layout.Sides[side].RowBytes, state = layout.IsCalibrated(Extent) ? layout.Sides[side].Codec.StateBytes : 0;
            for (int head = 0; head < layout.Heads; head++)
            {
                long ring = layout.RingOffset(side, head);
                Copy(layout.SinkOffset(side, head), sinks * rowBytes);
                Copy(ring + ((long)slot * rowBytes), untilEnd * rowBytes);
                Copy(ring, (rows - untilEnd) * rowBytes);
                Copy(layout.StateOffset(side, head), state);
                Copy(layout.NextOffset(side, head), Next.HasCodes(side, head) ? (int)layout.Sides[side].BlockBytes(layout.BlockRows) : 0);
            }
        }

        void Copy(long start, int length) => from.Slice(start, length).CopyTo(to.Slice(start, length));
    }

    private bool NeedsFront(LayerExtent after, bool writesFront) => after.Length > 0 && (_front is null || (writesFront && _front.Users > 1));

    // Pages before are full.
    private int FirstWritten(int first) => Math.Max(first, Extent.BodyRows / SideLayout.PageRows);

    // One that is not there, or that gets blocks and is shared.
    private bool NeedsPage(int page, LayerExtent after)
    {
        int i = page - _firstPage;
        return i < 0 || i >= _pages.Length || _pages[i] is not { } held || (held.Users > 1 && after.BodyRows > Extent.BodyRows);
    }

    private bool TryRent(int page, long bytes, Stack<Reservation> reserved)
    {
        if (!pool.TryRent(bytes, out NativePage? memory))
            return false;
        reserved.Push(new(this, page, memory));
        return true;
    }

    private void Return(int first, int end)
    {
        for (int page = first; page < end; page++)
        {
            pool.Return(_pages[page - _firstPage]!);
            _pages[page - _firstPage] = null;
        }
    }

    // Twice as long as needed, so that tables are copied ever more rarely; places of evicted pages leave it here.
    private void GrowTable(int first, int end)
    {
        (int heldFirst, int heldEnd) = layout.Pages(Extent);
        int start = heldEnd > 0 ? heldFirst : first;
        NativePage?[] table = end - start <= _pages.Length / 2 ? _pages : new NativePage?[Math.Max(4, 2 * (end - start))];
        Span<NativePage?> held = _pages.AsSpan(heldEnd > 0 ? heldFirst - _firstPage : 0, heldEnd - heldFirst);
        held.CopyTo(table);
        table.AsSpan(held.Length).Clear();
        (_pages, _firstPage) = (table, start);
    }

    private static Codec[][] Uncalibrated(LayerLayout layout) => Array.ConvertAll(layout.Sides, side => (Codec[])[side.Codec]);
}
