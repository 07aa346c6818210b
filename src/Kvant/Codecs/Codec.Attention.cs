using System.Runtime.InteropServices;
using Kvant.Kernels;
using Kvant.Memory;

namespace Kvant.Codecs;

// Attending to blocks: the defaults decode into the cache and attend to that. A method that wants speed overrides ScoreBlocks and AccumulateBlocks.
public abstract partial class Codec
{
    // 32 rows of 128: decoded rows that stay in the first-level cache until they are used.
    private const int TileFloats = 4096;

    /// <summary>Floats that one prepared query takes; at least <see cref="Dimension"/>.</summary>
    public virtual int PreparedLength => Dimension;

    private int TileBlocks => Math.Max(1, TileFloats / (RowsPerBlock * Dimension));

    /// <summary>Turns queries into the basis of the codes, once per step, so that no cached row needs turning.</summary>
    /// <param name="queries">Queries one after the other, <see cref="Dimension"/> floats each; at most the capacity of <paramref name="prepared"/>.</param>
    /// <param name="prepared">Receives them; made by <see cref="CreatePreparedQueries"/>.</param>
    /// <exception cref="ArgumentException">A length is wrong, a number is NaN or infinite, or <paramref name="prepared"/> belongs to another shape.</exception>
    /// <exception cref="InvalidOperationException">The codec must be calibrated first (<see cref="Calibrate"/>).</exception>
    public void Prepare(ReadOnlySpan<float> queries, PreparedQueries prepared)
    {
        RequireCalibrated();
        ArgumentNullException.ThrowIfNull(prepared);
        int count = WholeBlocks(queries.Length, Dimension, nameof(queries));
        RequireFinite(queries, "query", nameof(queries));
        prepared.Begin(this, count);
        using var scratch = new AlignedScratch(queries.Length);
        ToBasis(queries, scratch.Floats);
        for (int i = 0; i < count; i++)
            PrepareQuery(queries.Slice(i * Dimension, Dimension), scratch.Floats.Slice(i * Dimension, Dimension), prepared.Slot(i));
    }

    /// <summary>Makes the buffer that <see cref="Prepare"/> fills; reuse it from step to step.</summary>
    /// <param name="capacity">The most queries that it holds, at least 1: the query heads that share one key head.</param>
    /// <exception cref="ArgumentOutOfRangeException">The capacity is below 1.</exception>
    public PreparedQueries CreatePreparedQueries(int capacity) => new(capacity, PreparedLength);

    /// <summary>The dot product of every prepared query with every row of the blocks.</summary>
    /// <param name="prepared">Queries from <see cref="Prepare"/> of this very codec.</param>
    /// <param name="blocks">A run of whole blocks.</param>
    /// <param name="scores">Receives [query, row]: all rows of the first query, then all rows of the second.</param>
    /// <param name="arithmetic">Floats, or the integers that a fast kernel may use instead.</param>
    /// <param name="upcoming">Blocks that the next call will read, so that a kernel can fetch them ahead; empty if unknown.</param>
    /// <param name="firstRow">The number of the first row, as it was encoded with.</param>
    /// <exception cref="ArgumentException">A length is wrong, or another codec prepared the queries.</exception>
    /// <exception cref="InvalidOperationException">The codec must be calibrated first (<see cref="Calibrate"/>).</exception>
    public void Score(
        PreparedQueries prepared, ReadOnlySpan<byte> blocks, Span<float> scores, Arithmetic arithmetic = Arithmetic.Exact, ReadOnlySpan<byte> upcoming = default, int firstRow = 0)
    {
        RequireCalibrated();
        ArgumentNullException.ThrowIfNull(prepared);
        int rows = WholeBlocks(blocks.Length, BytesPerBlock, nameof(blocks)) * RowsPerBlock;
        if (prepared.Owner != this)
            throw new ArgumentException("These queries were prepared by another codec, or not at all; prepare them with the one that scores.", nameof(prepared));
        RequireLength(scores.Length, (long)prepared.Count * rows, nameof(scores));
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        if (scores.Length > 0)
            ScoreBlocksAt(firstRow, prepared, blocks, scores, arithmetic, upcoming);
    }

    /// <summary>Adds the weighted rows of the blocks to one accumulator per query, in the basis of the codes.</summary>
    /// <param name="weights">[query, row], as <see cref="Score"/> lays out its scores.</param>
    /// <param name="blocks">A run of whole blocks.</param>
    /// <param name="accumulators">[query, <see cref="Dimension"/>]; added to, so clear them before the first run.</param>
    /// <param name="arithmetic">Floats, or the integers that a fast kernel may use instead; these take weights of a softmax, none negative.</param>
    /// <param name="upcoming">Blocks that the next call will read, so that a kernel can fetch them ahead; empty if unknown.</param>
    /// <param name="firstRow">The number of the first row, as it was encoded with.</param>
    /// <exception cref="ArgumentException">A length is wrong.</exception>
    /// <exception cref="InvalidOperationException">The codec must be calibrated first (<see cref="Calibrate"/>).</exception>
    public void Accumulate(
        ReadOnlySpan<float> weights, ReadOnlySpan<byte> blocks, Span<float> accumulators, Arithmetic arithmetic = Arithmetic.Exact, ReadOnlySpan<byte> upcoming = default, int firstRow = 0)
    {
        RequireCalibrated();
        int rows = WholeBlocks(blocks.Length, BytesPerBlock, nameof(blocks)) * RowsPerBlock;
        int queries = WholeBlocks(accumulators.Length, Dimension, nameof(accumulators));
        RequireLength(weights.Length, (long)queries * rows, nameof(weights));
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        if (weights.Length > 0)
            AccumulateBlocksAt(firstRow, weights, blocks, accumulators, arithmetic, upcoming);
    }

    /// <summary>Turns accumulators out of the basis of the codes, once per query head.</summary>
    /// <param name="accumulators">[query, <see cref="Dimension"/>] from <see cref="Accumulate"/>.</param>
    /// <param name="outputs">Receives as many floats; may be the same memory.</param>
    /// <exception cref="ArgumentException">A length is wrong.</exception>
    /// <exception cref="InvalidOperationException">The codec must be calibrated first (<see cref="Calibrate"/>).</exception>
    public void Finish(ReadOnlySpan<float> accumulators, Span<float> outputs)
    {
        RequireCalibrated();
        WholeBlocks(accumulators.Length, Dimension, nameof(accumulators));
        RequireLength(outputs.Length, accumulators.Length, nameof(outputs));
        FromBasis(accumulators, outputs);
    }

    /// <summary>Brings queries into the basis of the codes.</summary>
    /// <param name="queries">Rows of <see cref="Dimension"/> floats.</param>
    /// <param name="inBasis">Receives as many.</param>
    protected virtual void ToBasis(ReadOnlySpan<float> queries, Span<float> inBasis) => queries.CopyTo(inBasis);

    /// <summary>Brings accumulators out of the basis of the codes.</summary>
    /// <param name="accumulators">Rows of <see cref="Dimension"/> floats.</param>
    /// <param name="outputs">Receives as many; may be the same memory.</param>
    protected virtual void FromBasis(ReadOnlySpan<float> accumulators, Span<float> outputs) => accumulators.CopyTo(outputs);

    /// <summary>Keeps one query as <see cref="ScoreBlocks"/> reads it: as it is, unless a codec wants more.</summary>
    /// <param name="query">The query, <see cref="Dimension"/> floats.</param>
    /// <param name="inBasis">The same in the basis of the codes.</param>
    /// <param name="prepared">Receives <see cref="PreparedLength"/> floats, of which the first <see cref="Dimension"/> are the query in that basis.</param>
    protected virtual void PrepareQuery(ReadOnlySpan<float> query, ReadOnlySpan<float> inBasis, Span<float> prepared) => inBasis.CopyTo(prepared);

    /// <summary>Decodes one block but leaves the rows in the basis of the codes.</summary>
    /// <param name="block"><see cref="BytesPerBlock"/> bytes.</param>
    /// <param name="rows">Receives <see cref="RowsPerBlock"/> times <see cref="Dimension"/> floats.</param>
    protected virtual void DecodeInBasis(ReadOnlySpan<byte> block, Span<float> rows) => DecodeBlock(block, rows);

    /// <summary>What <see cref="Score"/> does after its checks: decodes a few blocks at a time and takes them to all queries.</summary>
    protected virtual void ScoreBlocks(PreparedQueries prepared, ReadOnlySpan<byte> blocks, Span<float> scores, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming)
    {
        int rows = blocks.Length / BytesPerBlock * RowsPerBlock, tile = TileBlocks * BytesPerBlock;
        using var scratch = new AlignedScratch(TileBlocks * RowsPerBlock * Dimension);
        for (int at = 0, row = 0; at < blocks.Length; at += tile)
        {
            RowRun run = DecodeRun(blocks.Slice(at, Math.Min(tile, blocks.Length - at)), scratch.Floats);
            RowScores.Compute<SingleRows>(run, Dimension, prepared.Slots, prepared.Length, prepared.Count, scores[row..], rows);
            row += run.Count;
        }
    }

    /// <summary>What <see cref="Accumulate"/> does after its checks: decodes a few blocks at a time and adds them to all accumulators.</summary>
    protected virtual void AccumulateBlocks(
        ReadOnlySpan<float> weights, ReadOnlySpan<byte> blocks, Span<float> accumulators, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming)
    {
        int rows = blocks.Length / BytesPerBlock * RowsPerBlock, tile = TileBlocks * BytesPerBlock, queries = accumulators.Length / Dimension;
        using var scratch = new AlignedScratch(TileBlocks * RowsPerBlock * Dimension);
        for (int at = 0, row = 0; at < blocks.Length; at += tile)
        {
            RowRun run = DecodeRun(blocks.Slice(at, Math.Min(tile, blocks.Length - at)), scratch.Floats);
            RowSums.Add<SingleRows>(run, 0, Dimension, weights[row..], rows, queries, accumulators, Dimension);
            row += run.Count;
        }
    }

    private RowRun DecodeRun(ReadOnlySpan<byte> blocks, Span<float> rows)
    {
        int floatsPerBlock = RowsPerBlock * Dimension, count = blocks.Length / BytesPerBlock;
        for (int i = 0; i < count; i++)
            DecodeInBasis(blocks.Slice(i * BytesPerBlock, BytesPerBlock), rows.Slice(i * floatsPerBlock, floatsPerBlock));
        return new RowRun(MemoryMarshal.AsBytes(rows), sizeof(float) * Dimension, count * RowsPerBlock);
    }
}
