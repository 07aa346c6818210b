using Kvant.Kernels;
using Kvant.Rotations;

namespace Kvant.Codecs;

/// <summary>
/// Turns rows of numbers into compressed blocks of bytes and back, and attends to the bytes without handing the rows out.
/// </summary>
/// <remarks>
/// <para>A row is a vector of <see cref="Dimension"/> floats: one token's key or value of one attention head.
/// A block holds <see cref="RowsPerBlock"/> rows in exactly <see cref="BytesPerBlock"/> bytes. Blocks lie one after the other.</para>
/// <para><see cref="Decode(ReadOnlySpan{byte}, Span{float}, int)"/> is the definition of what a block means; <see cref="Score"/> and <see cref="Accumulate"/> give what
/// decoding first would give, but may be faster. A codec has no mutable state: any number of threads may share it.</para>
/// <para>A new method derives from this class (or from <see cref="RotatedCodec"/>) and writes <see cref="EncodeBlock"/> and
/// <see cref="DecodeBlock"/>; everything else has a correct default.</para>
/// </remarks>
public abstract partial class Codec
{
    /// <summary>The longest row that a codec takes.</summary>
    public const int MaxDimension = Rotation.MaxDimension;

    /// <summary>Sets the geometry of the codec.</summary>
    /// <param name="dimension">Numbers in a row, 1 to <see cref="MaxDimension"/>.</param>
    /// <param name="rowsPerBlock">Rows that are encoded together, at least 1.</param>
    /// <param name="bytesPerBlock">Bytes of one encoded block, everything counted.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    protected Codec(int dimension, int rowsPerBlock, int bytesPerBlock)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(dimension, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(dimension, MaxDimension);
        // Blocks are little-endian, and codecs copy numbers as they lie in memory.
        if (!BitConverter.IsLittleEndian)
            throw new PlatformNotSupportedException("Kvant runs on little-endian machines only.");
        ArgumentOutOfRangeException.ThrowIfLessThan(rowsPerBlock, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(bytesPerBlock, 1);
        Dimension = dimension;
        RowsPerBlock = rowsPerBlock;
        BytesPerBlock = bytesPerBlock;
    }

    /// <summary>Numbers in a row.</summary>
    public int Dimension { get; }

    /// <summary>Rows that are encoded together: 1, or the group of tokens that shares its statistics.</summary>
    public int RowsPerBlock { get; }

    /// <summary>Bytes of one block, with scales, zero points and padding.</summary>
    public int BytesPerBlock { get; }

    /// <summary>Of <see cref="BytesPerBlock"/> those that are not codes: scales, norms, zero points.</summary>
    public virtual int ScaleBytesPerBlock => 0;

    /// <summary>Stored bits per number, everything that is in a block counted.</summary>
    public double BitsPerValue => 8.0 * BytesPerBlock / ((double)RowsPerBlock * Dimension);

    /// <summary>How many times smaller a block is than the same rows in 16-bit floats.</summary>
    public double CompressionRatio => 16.0 / BitsPerValue;

    /// <summary>What the bytes are, for kernels that are not this codec's own; null where they are nobody else's.</summary>
    internal virtual BlockForm? Form => null;

    /// <summary>Encodes whole blocks of rows.</summary>
    /// <param name="rows">Rows one after the other; a multiple of <see cref="RowsPerBlock"/> times <see cref="Dimension"/> floats.</param>
    /// <param name="blocks">Receives the blocks; exactly as long as they are; must not be the memory of the rows.</param>
    /// <param name="firstRow">The number of the first row, counted from the first that calibration saw; only codecs look at it that know how positions turn rows.</param>
    /// <exception cref="ArgumentException">A length is wrong, a number is NaN or infinite, or a scale does not fit its storage.
    /// The blocks are then untouched or all zero.</exception>
    /// <exception cref="InvalidOperationException">The codec must be calibrated first (<see cref="Calibrate"/>).</exception>
    public void Encode(ReadOnlySpan<float> rows, Span<byte> blocks, int firstRow = 0)
    {
        RequireCalibrated();
        int floatsPerBlock = RowsPerBlock * Dimension;
        int count = WholeBlocks(rows.Length, floatsPerBlock, nameof(rows));
        RequireLength(blocks.Length, (long)count * BytesPerBlock, nameof(blocks));
        RequireFinite(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        try
        {
            EncodeBlocksAt(firstRow, rows, blocks);
        }
        catch (ArgumentException refused)
        {
            blocks.Clear();
            throw RefusedBlock(rows, refused);
        }
    }

    /// <summary>Turns whole blocks back into rows.</summary>
    /// <param name="blocks">A multiple of <see cref="BytesPerBlock"/> bytes that <see cref="Encode(ReadOnlySpan{float}, Span{byte}, int)"/> wrote; any other bytes give some rows, never an error.</param>
    /// <param name="rows">Receives the rows; exactly as long as they are.</param>
    /// <param name="firstRow">As it was encoded with.</param>
    /// <exception cref="ArgumentException">A length is wrong.</exception>
    /// <exception cref="InvalidOperationException">The codec must be calibrated first (<see cref="Calibrate"/>).</exception>
    public void Decode(ReadOnlySpan<byte> blocks, Span<float> rows, int firstRow = 0)
    {
        RequireCalibrated();
        int floatsPerBlock = RowsPerBlock * Dimension;
        int count = WholeBlocks(blocks.Length, BytesPerBlock, nameof(blocks));
        RequireLength(rows.Length, (long)count * floatsPerBlock, nameof(rows));
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        for (int i = 0; i < count; i++)
            DecodeBlockAt(firstRow + (i * RowsPerBlock), blocks.Slice(i * BytesPerBlock, BytesPerBlock), rows.Slice(i * floatsPerBlock, floatsPerBlock));
    }

    /// <summary>What <see cref="Encode(ReadOnlySpan{float}, Span{byte}, int)"/> does after its checks: all blocks, one after the other.
    /// Override it where several blocks at once are faster.</summary>
    /// <param name="rows">Whole blocks of finite floats.</param>
    /// <param name="blocks">As many blocks; all bytes must be written.</param>
    /// <exception cref="ArgumentException">A scale does not fit its storage.</exception>
    protected virtual void EncodeBlocks(ReadOnlySpan<float> rows, Span<byte> blocks)
    {
        int floatsPerBlock = RowsPerBlock * Dimension;
        for (int i = 0, at = 0; i < rows.Length; i += floatsPerBlock, at += BytesPerBlock)
            EncodeBlock(rows.Slice(i, floatsPerBlock), blocks.Slice(at, BytesPerBlock));
    }

    /// <summary>Encodes one block. Lengths and finiteness are already checked.</summary>
    /// <param name="rows"><see cref="RowsPerBlock"/> times <see cref="Dimension"/> finite floats.</param>
    /// <param name="block"><see cref="BytesPerBlock"/> bytes; all of them must be written.</param>
    /// <exception cref="ArgumentException">A scale does not fit its storage.</exception>
    protected abstract void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block);

    /// <summary>Decodes one block. Lengths are already checked; the bytes may be anything.</summary>
    /// <param name="block"><see cref="BytesPerBlock"/> bytes.</param>
    /// <param name="rows">Receives <see cref="RowsPerBlock"/> times <see cref="Dimension"/> floats.</param>
    protected abstract void DecodeBlock(ReadOnlySpan<byte> block, Span<float> rows);

    // Finds the block that was refused, so that the message can name it; only errors pay for the second pass.
    private ArgumentException RefusedBlock(ReadOnlySpan<float> rows, ArgumentException refused)
    {
        int floatsPerBlock = RowsPerBlock * Dimension;
        byte[] scratch = new byte[BytesPerBlock];
        for (int i = 0; i < rows.Length; i += floatsPerBlock)
        {
            try
            {
                EncodeBlock(rows.Slice(i, floatsPerBlock), scratch);
            }
            catch (ArgumentException)
            {
                int first = i / Dimension;
                string name = RowsPerBlock == 1 ? $"Row {first}" : $"Rows {first} to {first + RowsPerBlock - 1}";
                return new ArgumentException($"{name}: {refused.Message}", nameof(rows), refused);
            }
        }

        return refused;
    }

    private static int WholeBlocks(int length, int unit, string name)
    {
        if (length % unit != 0)
            throw new ArgumentException($"The length is {length}; it must be a multiple of {unit}.", name);
        return length / unit;
    }

    private static void RequireLength(int found, long wanted, string name)
    {
        if (found != wanted)
            throw new ArgumentException($"The length is {found}; it must be {wanted}.", name);
    }

    private void RequireFinite(ReadOnlySpan<float> rows, string what = "row", string name = "rows")
    {
        if (Finiteness.All(rows))
            return;
        int i = Finiteness.FirstBad(rows);
        throw new ArgumentException($"{char.ToUpperInvariant(what[0])}{what.AsSpan(1)} {i / Dimension}, channel {i % Dimension} is {rows[i]}; {name} must be finite.", name);
    }
}
