using System.Runtime.ExceptionServices;
using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>
/// Encodes blocks that leave a layer's window, of one side: pages of heads, which know nothing of each other, so that threads may share them and the bytes stay
/// the same. Nothing is allocated but buffers that stay.
/// </summary>
internal sealed class BlockClosing
{
    // Fewer rows are not worth waking other threads: some microseconds where codes are simple.
    private const int FewestSharedRows = 64;

    private readonly Action<int> _work;
    private readonly Lock _failing = new();
    private float[][] _rows = []; // a buffer per thread
    private LayerMemory? _layer;
    private Codec[]? _chosen;
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

    /// <summary>Encodes them behind the body.</summary>
    /// <param name="layer">The layer, as it was before the call.</param>
    /// <param name="side">0 for keys, 1 for values.</param>
    /// <param name="first">The first row of the first block.</param>
    /// <param name="end">The row behind the last.</param>
    /// <param name="chosen">What the codecs of the heads chose in this call; null if the layer has them.</param>
    /// <param name="rounded">New rows as the window stores them, [row, head].</param>
    /// <param name="roundedFrom">The first of those.</param>
    /// <param name="crew">Threads; null for the calling one alone.</param>
    public void Run(LayerMemory layer, int side, int first, int end, Codec[]? chosen, ReadOnlyMemory<byte> rounded, int roundedFrom, ICrew? crew)
    {
        (_layer, _side, _first, _end, _chosen, _rounded, _roundedFrom) = (layer, side, first, end, chosen, rounded, roundedFrom);
        (_pages, _next, _failed) = (((end - 1) / SideLayout.PageRows) - (first / SideLayout.PageRows) + 1, 0, int.MaxValue);
        while (_rows.Length < (crew?.Size ?? 1))
            _rows = [.. _rows, []];
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
    public void Trim() => _rows = [];

    private void Work(int worker)
    {
        int items = _pages * _layer!.Layout.Heads;
        for (int item = Interlocked.Increment(ref _next) - 1; item < items && item < Volatile.Read(ref _failed); item = Interlocked.Increment(ref _next) - 1)
        {
            try
            {
                Encode(item / _layer.Layout.Heads, item % _layer.Layout.Heads, ref _rows[worker]);
            }
            catch (Exception failure)
            {
                // The first of those that fail is the one that one thread would have met; all before it have begun.
                lock (_failing)
                    (_failed, _failure) = item < _failed ? (item, failure) : (_failed, _failure);
            }
        }
    }

    private void Encode(int page, int head, ref float[] buffer)
    {
        LayerLayout layout = _layer!.Layout;
        int from = page == 0 ? _first : ((_first / SideLayout.PageRows) + page) * SideLayout.PageRows, to = Math.Min(_end, ((from / SideLayout.PageRows) + 1) * SideLayout.PageRows);
        if (from == _layer.Extent.BodyRows && _layer.Next.HasCodes(_side, head))
        {
            _layer.NextCodes(_side, head).CopyTo(_layer.Body(_side, head, from, layout.BlockRows));
            from += layout.BlockRows;
        }

        if (from == to)
            return;
        Span<float> rows = CacheScratch.Grown(ref buffer, (to - from) * layout.Sides[_side].Dimension);
        _layer.Gather(_side, head, from, to, _rounded.Span, _roundedFrom, rows);
        (_chosen?[head] ?? _layer.Codec(_side, head)).Encode(rows, _layer.Body(_side, head, from, to - from), from);
    }
}
