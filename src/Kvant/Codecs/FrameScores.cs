using System.Numerics.Tensors;
using Kvant.Kernels;
using Kvant.Memory;

namespace Kvant.Codecs;

/// <summary>
/// query . shared vector, for every row: the vector turns from row to row, so it is a sum of waves, two numbers for each pair of channels (<see cref="WaveSums"/>).
/// </summary>
/// <remarks>A query's numbers: those of cosines, those of sines, both by speed, and what does not turn.</remarks>
internal static class FrameScores
{
    /// <summary>Floats that a query takes.</summary>
    public static int Length(int dimension) => (2 * WaveTable.Padded(dimension / 2)) + 1;

    /// <summary>Makes the numbers of a query.</summary>
    public static void Prepare(HeadFrame frame, ReadOnlySpan<float> query, Span<float> numbers)
    {
        RotaryTables tables = frame.Tables;
        ReadOnlySpan<float> shared = frame.Constant;
        numbers.Clear();
        for (int at = 0; at < tables.Count; at++)
        {
            int first = tables.First(tables.Order[at]), second = tables.Second(tables.Order[at]);
            numbers[at] = (query[first] * shared[first]) + (query[second] * shared[second]);
            numbers[tables.Waves.Pairs + at] = (query[second] * shared[first]) - (query[first] * shared[second]);
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
        const int Page = RotaryTables.PageRows;
        RotaryTables tables = frame.Tables;
        int rows = scores.Length / queries;
        for (int q = 0; q < queries && 2 * tables.Count < frame.Constant.Length; q++)
        {
            float still = slots[(q * stride) + stride - 1];
            if (still != 0)
                TensorPrimitives.Add(scores.Slice(q * rows, rows), still, scores.Slice(q * rows, rows));
        }

        if (tables.Count == 0)
            return;
        ReadOnlySpan<float> numbers = slots[(stride - Length(frame.Constant.Length))..];
        using var scratch = new AlignedScratch(WaveSums.ScratchLength(tables.Waves, queries) + (queries * Page));
        Span<float> whole = scratch.Floats[^(queries * Page)..];
        for (int row = 0, count; row < rows; row += count)
        {
            (int page, int within) = Math.DivRem(firstRow + row, Page);
            count = Math.Min(rows - row, Page - within);
            if (count == Page)
            {
                WaveSums.Add(tables.Waves, tables.AtMiddle(page), numbers, stride, queries, scores[row..], rows, scratch.Floats);
                continue;
            }

            whole.Clear();
            WaveSums.Add(tables.Waves, tables.AtMiddle(page), numbers, stride, queries, whole, Page, scratch.Floats);
            for (int q = 0; q < queries; q++)
            {
                Span<float> some = scores.Slice((q * rows) + row, count);
                TensorPrimitives.Add(some, whole.Slice((q * Page) + within, count), some);
            }
        }
    }
}
