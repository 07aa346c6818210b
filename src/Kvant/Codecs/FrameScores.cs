using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Kvant.Kernels;
using Kvant.Memory;

namespace Kvant.Codecs;

/// <summary>
/// query . shared vector, for every row: the vector turns from row to row, so it is a sum of waves, one number and its turn for each pair of channels. The
/// numbers are turned once by page of 128 rows, and the tables make 128 scores of them (see <see cref="RotaryTables"/>).
/// </summary>
/// <remarks>A query's numbers: cosines and sines of fast pairs, room for the places, cosines and sines of slow pairs, and what does not turn.</remarks>
internal static class FrameScores
{
    /// <summary>Floats that a query takes.</summary>
    public static int Length(int dimension) => dimension + RotaryTables.Places + 1;

    /// <summary>Makes the numbers of a query.</summary>
    public static void Prepare(HeadFrame frame, ReadOnlySpan<float> query, Span<float> numbers)
    {
        RotaryTables tables = frame.Tables;
        ReadOnlySpan<float> shared = frame.Constant;
        Parts parts = new(tables);
        numbers.Clear();
        for (int at = 0; at < tables.Count; at++)
        {
            int first = tables.First(tables.Order[at]), second = tables.Second(tables.Order[at]);
            float cosine = (query[first] * shared[first]) + (query[second] * shared[second]), sine = (query[second] * shared[first]) - (query[first] * shared[second]);
            bool isFast = at < parts.Fast;
            numbers[isFast ? at : parts.SlowAt + at - parts.Fast] = cosine;
            numbers[isFast ? parts.Fast + at : parts.SlowAt + parts.Slow + at - parts.Fast] = sine;
        }

        numbers[^1] = TensorPrimitives.Dot(query[(2 * tables.Count)..], shared[(2 * tables.Count)..]);
    }

    /// <summary>Adds them to scores.</summary>
    /// <param name="frame">The frame.</param>
    /// <param name="slots">Prepared queries, at whose end their numbers lie.</param>
    /// <param name="stride">Floats of a prepared query.</param>
    /// <param name="queries">How many.</param>
    /// <param name="firstRow">The number of the first row.</param>
    /// <param name="scores">[query, row].</param>
    public static void Add(HeadFrame frame, ReadOnlySpan<float> slots, int stride, int queries, int firstRow, Span<float> scores)
    {
        RotaryTables tables = frame.Tables;
        int rows = scores.Length / queries, length = Length(frame.Constant.Length), pairs = tables.Count;
        for (int q = 0; q < queries; q++)
        {
            float still = slots[(q * stride) + stride - 1];
            if (still != 0)
                TensorPrimitives.Add(scores.Slice(q * rows, rows), still, scores.Slice(q * rows, rows));
        }

        if (pairs == 0)
            return;
        using var scratch = new AlignedScratch(queries * length);
        Parts parts = new(tables);
        for (int row = 0, count; row < rows; row += count)
        {
            (int page, int within) = Math.DivRem(firstRow + row, RotaryTables.PageRows);
            count = Math.Min(rows - row, RotaryTables.PageRows - within);
            for (int q = 0; q < queries; q++)
                TurnTo(tables.AtPage(page), parts, slots.Slice((q * stride) + stride - length, length), scratch.Floats.Slice(q * length, length));
            AddPage(tables, parts, scratch.Floats, length, queries, within, count, scores[row..], rows);
        }
    }

    private static void TurnTo(ReadOnlySpan<float> turns, Parts parts, ReadOnlySpan<float> numbers, Span<float> turned)
    {
        numbers.CopyTo(turned);
        ReadOnlySpan<float> cosines = turns[..(turns.Length / 2)], sines = turns[(turns.Length / 2)..];
        Span<float> slow = turned[parts.SlowAt..];
        PairTurns.Run(turned[..parts.Fast], turned[parts.Fast..], cosines, sines);
        PairTurns.Run(slow[..parts.Slow], slow[parts.Slow..], cosines[parts.Fast..], sines[parts.Fast..]);
    }

    // The scores of a page are a weighted sum of table rows, as outputs are of values.
    private static void AddPage(RotaryTables tables, Parts parts, Span<float> numbers, int length, int queries, int within, int count, Span<float> scores, int stride)
    {
        var slow = new RowRun(MemoryMarshal.AsBytes<float>(tables.SlowPlaces), RotaryTables.Places * sizeof(float), 2 * parts.Slow);
        RowSums.Add<SingleRows>(slow, 0, RotaryTables.Places, numbers[parts.SlowAt..], length, queries, numbers[(2 * parts.Fast)..], length);
        var all = new RowRun(MemoryMarshal.AsBytes(tables.Rows.AsSpan(within)), RotaryTables.PageRows * sizeof(float), (2 * parts.Fast) + RotaryTables.Places);
        RowSums.Add<SingleRows>(all, 0, count, numbers, length, queries, scores, stride);
    }

    // Where they lie.
    private readonly struct Parts(RotaryTables tables)
    {
        public int Fast { get; } = tables.Fast;

        public int Slow { get; } = tables.Count - tables.Fast;

        public int SlowAt => (2 * Fast) + RotaryTables.Places;
    }
}
