using Kvant.Memory;

namespace Kvant.Codecs;

// Blocks that are filled once more behind rows that stay.
public abstract partial class Codec
{
    /// <summary>Encodes blocks whose first rows are what is left of blocks that were cut. Rows that are left keep their codes where those of
    /// other rows allow it, so that to be decoded and encoded again adds no error.</summary>
    /// <remarks>Where rows share more than their place (a mean, the range of a channel), both what they shared and what suits all rows now is
    /// tried, and what is nearer to the rows is taken.</remarks>
    /// <param name="rows">All rows, as in <see cref="Encode(ReadOnlySpan{float}, Span{byte}, int)"/>; those that are left as they decode, or nearly.</param>
    /// <param name="cut">The blocks that were cut, as many.</param>
    /// <param name="kept">How many rows are left, 0 to all.</param>
    /// <param name="blocks">Receives the blocks; must not be the memory of <paramref name="cut"/>.</param>
    /// <param name="firstRow">As there.</param>
    /// <exception cref="ArgumentException">As there, or there are not as many blocks.</exception>
    /// <exception cref="InvalidOperationException">As there.</exception>
    public void Reencode(ReadOnlySpan<float> rows, ReadOnlySpan<byte> cut, int kept, Span<byte> blocks, int firstRow = 0)
    {
        RequireCalibrated();
        int count = WholeBlocks(rows.Length, RowsPerBlock * Dimension, nameof(rows));
        RequireLength(cut.Length, (long)count * BytesPerBlock, nameof(cut));
        RequireLength(blocks.Length, (long)count * BytesPerBlock, nameof(blocks));
        ArgumentOutOfRangeException.ThrowIfNegative(kept);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(kept, count * RowsPerBlock);
        RequireFinite(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        try
        {
            ReencodeBlocksAt(firstRow, rows, cut, kept, blocks);
        }
        catch (ArgumentException refused)
        {
            blocks.Clear();
            throw RefusedBlock(rows, refused);
        }
    }

    /// <summary>What <see cref="Reencode"/> does after its checks.</summary>
    internal void ReencodePart(ReadOnlySpan<float> rows, ReadOnlySpan<byte> cut, int kept, Span<byte> blocks)
    {
        // Blocks of which all rows are left are what they were.
        int whole = kept / RowsPerBlock, rest = kept % RowsPerBlock, at = whole * BytesPerBlock, floatsPerBlock = RowsPerBlock * Dimension;
        cut[..at].CopyTo(blocks);
        rows = rows[(whole * floatsPerBlock)..];
        if (rest > 0)
        {
            ReencodeBlock(rows[..floatsPerBlock], cut.Slice(at, BytesPerBlock), rest, blocks.Slice(at, BytesPerBlock));
            rows = rows[floatsPerBlock..];
            at += BytesPerBlock;
        }

        if (!rows.IsEmpty)
            EncodeBlocks(rows, blocks[at..]);
    }

    /// <summary>Encodes a block of which some rows are left. As a new one, unless overridden: right where a row that was decoded finds its codes again.</summary>
    /// <param name="rows">As in <see cref="EncodeBlock"/>.</param>
    /// <param name="cut">The block that was cut; its bytes may be anything.</param>
    /// <param name="kept">How many rows are left: at least 1, and not all.</param>
    /// <param name="block">Receives the block.</param>
    /// <exception cref="ArgumentException">A scale does not fit its storage.</exception>
    protected virtual void ReencodeBlock(ReadOnlySpan<float> rows, ReadOnlySpan<byte> cut, int kept, Span<byte> block) => EncodeBlock(rows, block);

    /// <summary>The squared distance of rows from what blocks decode to, added up one number after the other: the same on every machine.</summary>
    private protected double SquaredError(ReadOnlySpan<float> rows, ReadOnlySpan<byte> block)
    {
        using var scratch = new AlignedScratch(rows.Length);
        DecodeBlock(block, scratch.Floats);
        double sum = 0;
        for (int i = 0; i < rows.Length; i++)
        {
            double difference = (double)rows[i] - scratch.Floats[i];
            sum += difference * difference;
        }

        return sum;
    }
}
