using System.Numerics.Tensors;

namespace Kvant.Codecs;

// Vectors on their own: the same verbs for callers who keep arrays and want no buffers of their own.
public abstract partial class Codec
{
    /// <summary>Bytes that rows take once they are encoded.</summary>
    /// <param name="rows">Number of rows; a multiple of <see cref="RowsPerBlock"/>.</param>
    /// <exception cref="ArgumentException">The rows do not fill whole blocks.</exception>
    public int EncodedLength(int rows)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        return checked(WholeBlocks(rows, RowsPerBlock, nameof(rows)) * BytesPerBlock);
    }

    /// <summary>Encodes whole blocks of rows into a new array.</summary>
    /// <param name="rows">As in <see cref="Encode(ReadOnlySpan{float}, Span{byte}, int)"/>.</param>
    /// <exception cref="ArgumentException">As there.</exception>
    /// <exception cref="InvalidOperationException">As there.</exception>
    public byte[] Encode(ReadOnlySpan<float> rows)
    {
        byte[] blocks = new byte[EncodedLength(WholeBlocks(rows.Length, Dimension, nameof(rows)))];
        Encode(rows, blocks);
        return blocks;
    }

    /// <summary>Turns whole blocks back into a new array of rows.</summary>
    /// <param name="blocks">As in <see cref="Decode(ReadOnlySpan{byte}, Span{float}, int)"/>.</param>
    /// <exception cref="ArgumentException">As there.</exception>
    /// <exception cref="InvalidOperationException">As there.</exception>
    public float[] Decode(ReadOnlySpan<byte> blocks)
    {
        float[] rows = new float[checked(WholeBlocks(blocks.Length, BytesPerBlock, nameof(blocks)) * RowsPerBlock * Dimension)];
        Decode(blocks, rows);
        return rows;
    }

    /// <summary>The inner products of a query with compressed rows. For many queries or many steps, use <see cref="Prepare"/> and
    /// <see cref="Score"/>, which keep their buffers.</summary>
    /// <param name="query"><see cref="Dimension"/> floats.</param>
    /// <param name="blocks">Whole blocks.</param>
    /// <returns>An estimate per row.</returns>
    /// <exception cref="ArgumentException">A length is wrong.</exception>
    /// <exception cref="InvalidOperationException">The codec must be calibrated first (<see cref="Calibrate"/>).</exception>
    public float[] InnerProducts(ReadOnlySpan<float> query, ReadOnlySpan<byte> blocks)
    {
        RequireLength(query.Length, Dimension, nameof(query));
        float[] products = new float[checked(WholeBlocks(blocks.Length, BytesPerBlock, nameof(blocks)) * RowsPerBlock)];
        PreparedQueries prepared = CreatePreparedQueries(1);
        Prepare(query, prepared);
        Score(prepared, blocks, products);
        return products;
    }

    /// <summary>The norms of compressed rows, as they decode.</summary>
    /// <param name="blocks">Whole blocks.</param>
    /// <returns>A norm per row.</returns>
    /// <exception cref="ArgumentException">A length is wrong.</exception>
    /// <exception cref="InvalidOperationException">The codec must be calibrated first (<see cref="Calibrate"/>).</exception>
    public float[] Norms(ReadOnlySpan<byte> blocks)
    {
        float[] rows = Decode(blocks), norms = new float[rows.Length / Dimension];
        for (int i = 0; i < norms.Length; i++)
            norms[i] = TensorPrimitives.Norm<float>(rows.AsSpan(i * Dimension, Dimension));
        return norms;
    }
}
