using System.Runtime.ExceptionServices;
using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>
/// Encodes blocks that leave a layer's window, or a step of its body, of one side: pages of heads, which know nothing of each other, so that threads may share them and the bytes stay
/// the same. Nothing is allocated but buffers that stay.
/// </summary>
internal sealed class BlockClosing
{
    // Fewer rows are not worth waking other threads: some microseconds where codes are simple.
    private const int FewestSharedRows = 64;

    private readonly Action<int> _work;
    private readonly Lock _failing = new();
    private float[][] _rows = []; // buffers per thread
    private byte[][] _codes = [];
    private LayerMemory? _layer;
    private Codec[][][]? _chosen;
    private int _step;
    private int _side;
    private int _first;
    private int _end;
    private ReadOnlyMemory<byte> _rounded;
    private int _roundedFrom;
    private int _pages;
    private int _next;
    private int _failed;
    private Exception? _failure;

    public BlockClosing() => _work = Work;

    /// <summary>Encodes them behind a step, through all steps that are newer.</summary>
    /// <param name="layer">The layer, as it was before the call.</param>
    /// <param name="step">Where they move to.</param>
    /// <param name="side">0 for keys, 1 for values.</param>
    /// <param name="first">The first row of the first block.</param>
    /// <param name="end">The row behind the last.</param>
    /// <param name="chosen">What the codecs chose in this call, [step][side][head]; null if the layer has them.</param>
    /// <param name="rounded">New rows as the window stores them, [row, head].</param>
    /// <param name="roundedFrom">The first of those.</param>
    /// <param name="crew">Threads; null for the calling one alone.</param>
    public void Run(LayerMemory layer, int step, int side, int first, int end, Codec[][][]? chosen, ReadOnlyMemory<byte> rounded, int roundedFrom, ICrew? crew)
    {
        (_layer, _step, _side, _first, _end, _chosen, _rounded, _roundedFrom) = (layer, step, side, first, end, chosen, rounded, roundedFrom);
        (_pages, _next, _failed) = (((end - 1) / SideLayout.PageRows) - (first / SideLayout.PageRows) + 1, 0, int.MaxValue);
        while (_rows.Length < (crew?.Size ?? 1))
            (_rows, _codes) = ([.. _rows, []], [.. _codes, []]);
        if (crew is null)
            Work(0);
        else
            crew.Run(_work, alone: (long)(end - first) * layer.Layout.Heads < FewestSharedRows);
        (_layer, _chosen, _rounded) = (null, null, default);
        if (_failure is not { } failure)
            return;
        _failure = null;
        ExceptionDispatchInfo.Throw(failure);
    }

    /// <summary>Drops the buffers; the next call makes its own.</summary>
    public void Trim() => (_rows, _codes) = ([], []);

    private void Work(int worker)
    {
        int items = _pages * _layer!.Layout.Heads;
        for (int item = Interlocked.Increment(ref _next) - 1; item < items && item < Volatile.Read(ref _failed); item = Interlocked.Increment(ref _next) - 1)
        {
            try
            {
                Encode(item / _layer.Layout.Heads, item % _layer.Layout.Heads, worker);
            }
            catch (Exception failure)
            {
                // The first of those that fail is the one that one thread would have met; all before it have begun.
                lock (_failing)
                    (_failed, _failure) = item < _failed ? (item, failure) : (_failed, _failure);
            }
        }
    }

    private void Encode(int page, int head, int worker)
    {
        LayerLayout layout = _layer!.Layout;
        int from = page == 0 ? _first : ((_first / SideLayout.PageRows) + page) * SideLayout.PageRows, to = Math.Min(_end, ((from / SideLayout.PageRows) + 1) * SideLayout.PageRows);
        LayerExtent before = _layer.Extent;
        if (from == before.End(_step) && _layer.Next[_step].HasCodes(_side, head))
        {
            _layer.NextCodes(_step, _side, head).CopyTo(_layer.Body(_step, _side, head, from, layout.BlockRows));
            from += layout.BlockRows;
        }

        for (int end; from < to; from = end)
        {
            int source = from < before.BodyRows ? layout.StepOf(before, from) : -1;
            end = source < 0 ? to : Math.Min(to, before.End(source));
            Encode(source, head, from, end, worker);
        }
    }

    // Rows of one page, from a step or from the window (-1).
    private void Encode(int source, int head, int from, int end, int worker)
    {
        StepLayout[] steps = _layer!.Layout.Steps;
        Span<byte> place = _layer.Body(_step, _side, head, from, end - from);
        Span<float> rows = CacheScratch.Grown(ref _rows[worker], (end - from) * steps[_step].Sides[_side].Dimension);
        int at = Math.Max(0, source), last = steps[_step].CodedBy(_side);
        ReadOnlySpan<byte> codes = source < 0 ? default : _layer.Body(source, _side, head, from, end - from);
        if (source < 0)
        {
            _layer.Gather(_side, head, from, end, _rounded.Span, _roundedFrom, rows);
            Span<byte> first = last == 0 ? place : CacheScratch.Grown(ref _codes[worker], (int)steps[0].Sides[_side].BlockBytes(end - from));
            CodecOf(0, head).Encode(rows, first, from);
            codes = first;
        }
        else if (last <= at)
        {
            codes.CopyTo(place);
        }

        // Through every step, as rows go that come one by one.
        for (int step = at + 1; step <= last; step++)
        {
            if (steps[step].CodedBy(_side) < step)
                continue;
            CodecOf(at, head).Decode(codes, rows, from);
            Span<byte> next = step == last ? place : CacheScratch.Grown(ref _codes[worker], (int)steps[step].Sides[_side].BlockBytes(end - from));
            Aging.Encode(CodecOf(step, head), rows, from, next);
            codes = next;
            at = step;
        }
    }

    private Codec CodecOf(int step, int head) => _chosen?[step][_side][head] ?? _layer!.Codec(step, _side, head);
}
