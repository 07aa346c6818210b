using System.Buffers;
using System.Numerics.Tensors;
using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>Codes rows again that were decoded: what happens to a block as it moves from one step of a layer's body to the next. A side whose codec stays the same keeps its bytes.</summary>
internal static class Aging
{
    // From the largest float to what can always be encoded: see LayerTruncation.
    private const int MostTries = 620;

    /// <summary>Turns blocks of a step into those of a later one, through all between.</summary>
    /// <param name="layer">Has the codecs.</param>
    /// <param name="from">The step of the blocks.</param>
    /// <param name="to">Where they move to; the same step for a copy.</param>
    /// <param name="side">0 for keys, 1 for values.</param>
    /// <param name="head">Key-value head.</param>
    /// <param name="row">Their first row.</param>
    /// <param name="blocks">Whole blocks.</param>
    /// <param name="rows">A buffer of their rows.</param>
    /// <param name="codes">Receives the codes.</param>
    public static void Code(LayerMemory layer, int from, int to, int side, int head, int row, ReadOnlySpan<byte> blocks, Span<float> rows, Span<byte> codes)
    {
        StepLayout[] steps = layer.Layout.Steps;
        int last = steps[to].CodedBy(side);
        if (last <= from)
        {
            blocks.CopyTo(codes);
            return;
        }

        layer.Codec(from, side, head).Decode(blocks, rows, row);
        for (int step = from + 1; step <= last; step++)
        {
            if (steps[step].CodedBy(side) < step)
                continue;
            Codec codec = layer.Codec(step, side, head);
            if (step == last)
            {
                Encode(codec, rows, row, codes);
                return;
            }

            int length = rows.Length / (codec.RowsPerBlock * codec.Dimension) * codec.BytesPerBlock;
            byte[] between = ArrayPool<byte>.Shared.Rent(length);
            Encode(codec, rows, row, between.AsSpan(0, length));
            codec.Decode(between.AsSpan(0, length), rows, row);
            ArrayPool<byte>.Shared.Return(between);
        }
    }

    /// <summary>Encodes rows that were decoded. They may be a little larger than the rows were: where that makes a block too large for its codec, it is made smaller.</summary>
    /// <param name="codec">The codec.</param>
    /// <param name="rows">Rows of whole blocks; may be changed.</param>
    /// <param name="firstRow">The number of the first.</param>
    /// <param name="codes">Receives the blocks.</param>
    public static void Encode(Codec codec, Span<float> rows, int firstRow, Span<byte> codes)
    {
        try
        {
            codec.Encode(rows, codes, firstRow);
        }
        catch (ArgumentException)
        {
            // Block by block, so that none depends on those that are encoded with it.
            for (int block = 0; block < codes.Length / codec.BytesPerBlock; block++)
            {
                int floats = codec.RowsPerBlock * codec.Dimension;
                EncodeBlock(codec, rows.Slice(block * floats, floats), firstRow + (block * codec.RowsPerBlock), codes.Slice(block * codec.BytesPerBlock, codec.BytesPerBlock));
            }
        }
    }

    // No number takes more tries than the largest one; a block that is still refused then is none.
    private static void EncodeBlock(Codec codec, Span<float> rows, int firstRow, Span<byte> codes)
    {
        for (int tries = 0; ; tries++)
        {
            try
            {
                codec.Encode(rows, codes, firstRow);
                return;
            }
            catch (ArgumentException) when (tries <= MostTries)
            {
                if (tries == MostTries)
                    rows.Clear();
                TensorPrimitives.Multiply(rows, 0.875f, rows);
            }
        }
    }
}
