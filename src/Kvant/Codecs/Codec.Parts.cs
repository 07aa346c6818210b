namespace Kvant.Codecs;

// For codecs that are made of another one: what the public verbs do after their checks.
public abstract partial class Codec
{
    internal void EncodePart(ReadOnlySpan<float> rows, Span<byte> blocks) => EncodeBlocks(rows, blocks);

    internal void DecodePart(ReadOnlySpan<byte> blocks, Span<float> rows)
    {
        int floatsPerBlock = RowsPerBlock * Dimension;
        for (int at = 0, i = 0; at < blocks.Length; at += BytesPerBlock, i += floatsPerBlock)
            DecodeInBasis(blocks.Slice(at, BytesPerBlock), rows.Slice(i, floatsPerBlock));
    }

    internal void PartToBasis(ReadOnlySpan<float> rows, Span<float> inBasis) => ToBasis(rows, inBasis);

    internal void PartFromBasis(ReadOnlySpan<float> inBasis, Span<float> rows) => FromBasis(inBasis, rows);

    internal void PreparePart(ReadOnlySpan<float> query, ReadOnlySpan<float> inBasis, Span<float> prepared) => PrepareQuery(query, inBasis, prepared);

    internal void ScorePart(PreparedQueries prepared, ReadOnlySpan<byte> blocks, Span<float> scores, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming) =>
        ScoreBlocks(prepared, blocks, scores, arithmetic, upcoming);

    internal void AccumulatePart(
        ReadOnlySpan<float> weights, ReadOnlySpan<byte> blocks, Span<float> accumulators, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming) =>
        AccumulateBlocks(weights, blocks, accumulators, arithmetic, upcoming);
}
