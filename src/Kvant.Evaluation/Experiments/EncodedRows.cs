using Kvant.Codecs;

namespace Kvant.Evaluation.Experiments;

/// <summary>
/// The rows of one head as a cache would store them: whole blocks, the codec's state, and the rows that fill no block (or
/// came before the codec could calibrate itself) as 16-bit floats.
/// </summary>
internal sealed class EncodedRows
{
    private readonly Codec _tailCodec;
    private readonly byte[] _blocks, _tail;

    private EncodedRows(Codec codec, Codec tailCodec, int rows, byte[] blocks, byte[] tail)
    {
        (Codec, _tailCodec, Rows, _blocks, _tail) = (codec, tailCodec, rows, blocks, tail);
    }

    /// <summary>The codec, calibrated where it needed that and there were rows enough.</summary>
    public Codec Codec { get; }

    /// <summary>All rows.</summary>
    public int Rows { get; }

    /// <summary>Rows in blocks; the others, the last ones, are the tail.</summary>
    public int RowsInBlocks => _blocks.Length / Codec.BytesPerBlock * Codec.RowsPerBlock;

    /// <summary>The encoded blocks.</summary>
    public ReadOnlySpan<byte> Blocks => _blocks;

    /// <summary>Stored bytes: blocks, state and tail.</summary>
    public long Bytes => _blocks.Length + _tail.Length + (_blocks.Length > 0 ? Codec.StateBytes : 0);

    /// <summary>Encodes the rows of one head.</summary>
    /// <param name="codec">As its spec makes it; calibrated here from the first rows.</param>
    /// <param name="rows">Rows one after the other, a multiple of the codec's dimension.</param>
    /// <param name="context">What is known of the head beside its rows; null for nothing.</param>
    /// <exception cref="ArgumentException">A length is wrong, or a number is not finite or does not fit.</exception>
    public static EncodedRows Encode(Codec codec, ReadOnlySpan<float> rows, CalibrationContext? context = null)
    {
        ArgumentNullException.ThrowIfNull(codec);
        if (rows.Length % codec.Dimension != 0)
            throw new ArgumentException($"There are {rows.Length} floats; a multiple of the dimension {codec.Dimension} is wanted.", nameof(rows));
        int count = rows.Length / codec.Dimension, body = codec.RowsInBlocks(count);
        byte[] blocks = new byte[checked(body / codec.RowsPerBlock * codec.BytesPerBlock)];
        if (body > 0)
        {
            codec = codec.Calibrate(rows, context);
            codec.Encode(rows[..(body * codec.Dimension)], blocks);
        }

        Codec tailCodec = CodecSpec.Parse("fp16").CreateCodec(codec.Dimension);
        byte[] tail = new byte[checked((count - body) * tailCodec.BytesPerBlock)];
        tailCodec.Encode(rows[(body * codec.Dimension)..], tail);
        return new EncodedRows(codec, tailCodec, count, blocks, tail);
    }

    /// <summary>Turns everything back into rows.</summary>
    /// <param name="rows">Receives <see cref="Rows"/> times the dimension floats.</param>
    /// <exception cref="ArgumentException">The length is wrong.</exception>
    public void Decode(Span<float> rows)
    {
        if (rows.Length != Rows * Codec.Dimension)
            throw new ArgumentException($"There is room for {rows.Length} floats; {Rows * Codec.Dimension} are wanted.", nameof(rows));
        int body = RowsInBlocks * Codec.Dimension;
        if (body > 0)
            Codec.Decode(_blocks, rows[..body]);
        _tailCodec.Decode(_tail, rows[body..]);
    }
}
