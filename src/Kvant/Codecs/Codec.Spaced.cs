using System.Runtime.InteropServices;
using Kvant.Memory;

namespace Kvant.Codecs;

// For codecs whose blocks hold those of another one and something else: that one attends to its blocks where they lie, or puts some side by side first.
public abstract partial class Codec
{
    // As many rows as attention takes at a time.
    private const int SpacedRows = 128;

    internal void ScoreSpacedPart(PreparedQueries prepared, in SpacedBlocks blocks, Span<float> scores, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming) =>
        ScoreSpaced(prepared, blocks, scores, arithmetic, upcoming);

    internal void AccumulateSpacedPart(ReadOnlySpan<float> weights, in SpacedBlocks blocks, Span<float> accumulators, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming) =>
        AccumulateSpaced(weights, blocks, accumulators, arithmetic, upcoming);

    /// <summary>As <see cref="ScoreBlocks"/>, over blocks with something between them.</summary>
    private protected virtual void ScoreSpaced(
        PreparedQueries prepared, in SpacedBlocks blocks, Span<float> scores, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming)
    {
        int count = blocks.Count, rowsOfOne = blocks.Length / BytesPerBlock * RowsPerBlock, rows = count * rowsOfOne, atOnce = Math.Max(1, SpacedRows / rowsOfOne);
        using var scratch = new AlignedScratch(FloatsOf(atOnce * blocks.Length) + (prepared.Count * atOnce * rowsOfOne));
        for (int b = 0; b < count; b += atOnce)
        {
            int some = Math.Min(atOnce, count - b), rowsOfPart = some * rowsOfOne;
            ReadOnlySpan<byte> part = Together(blocks.Part(b, some), scratch.Floats), next = Share(upcoming, b, some, count);
            if (rowsOfPart == rows)
            {
                ScoreBlocks(prepared, part, scores, arithmetic, next);
                return;
            }

            Span<float> apart = scratch.Floats[^(prepared.Count * rowsOfPart)..];
            ScoreBlocks(prepared, part, apart, arithmetic, next);
            for (int q = 0; q < prepared.Count; q++)
                apart.Slice(q * rowsOfPart, rowsOfPart).CopyTo(scores[((q * rows) + (b * rowsOfOne))..]);
        }
    }

    /// <summary>As <see cref="AccumulateBlocks"/>, over blocks with something between them.</summary>
    private protected virtual void AccumulateSpaced(
        ReadOnlySpan<float> weights, in SpacedBlocks blocks, Span<float> accumulators, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming)
    {
        int count = blocks.Count, rowsOfOne = blocks.Length / BytesPerBlock * RowsPerBlock, rows = count * rowsOfOne, atOnce = Math.Max(1, SpacedRows / rowsOfOne);
        int queries = accumulators.Length / Dimension;
        using var scratch = new AlignedScratch(FloatsOf(atOnce * blocks.Length) + (queries * atOnce * rowsOfOne));
        for (int b = 0; b < count; b += atOnce)
        {
            int some = Math.Min(atOnce, count - b), rowsOfPart = some * rowsOfOne;
            ReadOnlySpan<byte> part = Together(blocks.Part(b, some), scratch.Floats), next = Share(upcoming, b, some, count);
            if (rowsOfPart == rows)
            {
                AccumulateBlocks(weights, part, accumulators, arithmetic, next);
                return;
            }

            Span<float> apart = scratch.Floats[^(queries * rowsOfPart)..];
            for (int q = 0; q < queries; q++)
                weights.Slice((q * rows) + (b * rowsOfOne), rowsOfPart).CopyTo(apart[(q * rowsOfPart)..]);
            AccumulateBlocks(apart, part, accumulators, arithmetic, next);
        }
    }

    private static int FloatsOf(int bytes) => (bytes + sizeof(float) - 1) / sizeof(float);

    private static ReadOnlySpan<byte> Together(SpacedBlocks blocks, Span<float> scratch)
    {
        if (blocks.Count == 1)
            return blocks.Bytes[..blocks.Length];
        Span<byte> together = MemoryMarshal.AsBytes(scratch)[..(blocks.Count * blocks.Length)];
        blocks.CopyTo(together);
        return together;
    }

    // What to fetch ahead while some of the blocks are read.
    private static ReadOnlySpan<byte> Share(ReadOnlySpan<byte> upcoming, int first, int some, int count) =>
        upcoming.Slice(upcoming.Length / count * first, upcoming.Length / count * some);
}
