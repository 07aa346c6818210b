namespace Kvant.Codecs;

// Blocks that mean something only together with where their rows stand, counted from the first row that calibration saw. Nearly all codecs do not care.
public abstract partial class Codec
{
    private protected virtual void EncodeBlocksAt(int firstRow, ReadOnlySpan<float> rows, Span<byte> blocks) => EncodeBlocks(rows, blocks);

    private protected virtual void DecodeBlockAt(int firstRow, ReadOnlySpan<byte> block, Span<float> rows) => DecodeBlock(block, rows);

    private protected virtual void ReencodeBlocksAt(int firstRow, ReadOnlySpan<float> rows, ReadOnlySpan<byte> cut, int kept, Span<byte> blocks) =>
        ReencodePart(rows, cut, kept, blocks);

    private protected virtual void ScoreBlocksAt(
        int firstRow, PreparedQueries prepared, ReadOnlySpan<byte> blocks, Span<float> scores, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming) =>
        ScoreBlocks(prepared, blocks, scores, arithmetic, upcoming);

    private protected virtual void AccumulateBlocksAt(
        int firstRow, ReadOnlySpan<float> weights, ReadOnlySpan<byte> blocks, Span<float> accumulators, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming) =>
        AccumulateBlocks(weights, blocks, accumulators, arithmetic, upcoming);
}
