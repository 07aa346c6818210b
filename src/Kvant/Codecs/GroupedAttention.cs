using Kvant.Kernels;
using Kvant.Memory;

namespace Kvant.Codecs;

/// <summary>
/// Attention over rows whose groups of numbers have a scale each inside the row. For sums the scales go into the weights, so that
/// the numbers are read as they are stored.
/// </summary>
/// <param name="stride">Bytes of a row.</param>
/// <param name="columns">Numbers in a row.</param>
/// <param name="groupColumns">Numbers in a group; the last may be shorter.</param>
/// <param name="scaleAt">Where in a row the scale of the first group lies, an IEEE half.</param>
/// <param name="scaleStride">Bytes from the scale of one group to that of the next.</param>
internal sealed class GroupedAttention(int stride, int columns, int groupColumns, int scaleAt, int scaleStride)
{
    // Rows that are taken together; their weights and scales stay in the first-level cache.
    private const int RunRows = 128;

    private readonly int _groups = (columns + groupColumns - 1) / groupColumns;

    /// <summary>What <see cref="Codec.Score"/> does after its checks, for groups of 32.</summary>
    public void Score<TFormat>(PreparedQueries prepared, ReadOnlySpan<byte> blocks, Span<float> scores, ReadOnlySpan<byte> upcoming)
        where TFormat : IRowFormat
    {
        int rows = blocks.Length / stride;
        using var scratch = new AlignedScratch(_groups * RunRows);
        for (int r = 0; r < rows; r += RunRows)
        {
            int count = Math.Min(RunRows, rows - r);
            ReadOnlySpan<byte> bytes = blocks.Slice(r * stride, count * stride);
            Span<float> scales = scratch.Floats[..(_groups * count)];
            for (int g = 0; g < _groups; g++)
                RowScales.Weigh(bytes, scaleAt + (g * scaleStride), stride, count, [], 0, 1, scales[(g * count)..], count);
            var run = new RowRun(bytes, stride, count) { Scales = scales, Upcoming = After(blocks, r + count, upcoming) };
            RowScores.Compute<ScaledRows<TFormat>>(run, columns, prepared.Slots, prepared.Length, prepared.Count, scores[r..], rows);
        }
    }

    /// <summary>What <see cref="Codec.Accumulate"/> does after its checks.</summary>
    /// <param name="weights">[query, row].</param>
    /// <param name="blocks">Whole rows.</param>
    /// <param name="codesAt">Where the numbers of <typeparamref name="TFormat"/> begin in a row.</param>
    /// <param name="accumulators">[query, column].</param>
    /// <param name="upcoming">Rows that will be read next.</param>
    public void Accumulate<TFormat>(ReadOnlySpan<float> weights, ReadOnlySpan<byte> blocks, int codesAt, Span<float> accumulators, ReadOnlySpan<byte> upcoming)
        where TFormat : IRowFormat
    {
        int rows = blocks.Length / stride, queries = accumulators.Length / columns;
        using var scratch = new AlignedScratch(queries * RunRows);
        for (int r = 0; r < rows; r += RunRows)
        {
            int count = Math.Min(RunRows, rows - r);
            ReadOnlySpan<byte> bytes = blocks.Slice(r * stride, count * stride), next = After(blocks, r + count, upcoming);
            for (int g = 0; g < _groups; g++)
            {
                int start = g * groupColumns, length = Math.Min(groupColumns, columns - start), share = next.Length / _groups;
                RowScales.Weigh(bytes, scaleAt + (g * scaleStride), stride, count, weights[r..], rows, queries, scratch.Floats, RunRows);
                var run = new RowRun(bytes[codesAt..], stride, count) { Upcoming = next.Slice(g * share, share) };
                RowSums.Add<TFormat>(run, start, length, scratch.Floats, RunRows, queries, accumulators, columns);
            }
        }
    }

    // What is read after some rows: the next run, or what the caller says.
    private ReadOnlySpan<byte> After(ReadOnlySpan<byte> blocks, int row, ReadOnlySpan<byte> upcoming)
    {
        ReadOnlySpan<byte> rest = blocks[(row * stride)..];
        return rest.IsEmpty ? upcoming : rest[..Math.Min(rest.Length, RunRows * stride)];
    }
}
