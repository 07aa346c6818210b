using System.Buffers;
using System.Numerics.Tensors;
using Kvant.Kernels;
using Kvant.Memory;
using Kvant.Packing;

namespace Kvant.Codecs;

/// <summary>
/// KIVI: keys are coded per channel over groups of tokens, because their outliers sit in channels; values per token over groups
/// of channels (Liu et al., 2024, "KIVI"). Every group keeps its own minimum and step, both in fp16: x = minimum + code * step.
/// </summary>
internal static class KiviCodec
{
    public static CodecMethod Method { get; } = new(
        "kivi",
        "per channel for keys, per token for values; each group its own minimum and step",
        [
            CodecSetting.Choice("bits", "2", ["2", "4"], "bits per number"),
            CodecSetting.Choice("group", "32", ["16", "32", "64", "128"], "tokens (keys) or channels (values) that share minimum and step"),
        ],
        (spec, dimension, role) => role is CodecRole.Keys or CodecRole.KeyTiles ? new Keys(spec, dimension) : new Values(spec, dimension));

    private const int ParameterBytes = 2 * Fp16.Bytes;

    // Writes minimum and step of a group and the code of each of its numbers.
    private static void EncodeGroup(ReadOnlySpan<float> numbers, int bits, Span<byte> parameters, Span<byte> codes)
    {
        float low = TensorPrimitives.Min(numbers), high = TensorPrimitives.Max(numbers);

        // Codes refer to what will be read back, and the step is rounded up: the range is covered even where fp16 is coarse.
        int top = (1 << bits) - 1;
        float minimum = Fp16.Write(parameters, low), step = Fp16.WriteUp(parameters[Fp16.Bytes..], (high - low) / top);
        if (step == 0)
            codes.Clear();
        else
            RoundedCodes.Find<Roundings.Quotient>(numbers, minimum, step, 0, top, codes);
    }

    // Codes of minimum and step as they are stored; what lies outside their range gets its ends.
    private static void EncodeGroupAs(ReadOnlySpan<float> numbers, int bits, ReadOnlySpan<byte> parameters, Span<byte> codes)
    {
        float step = Fp16.Read(parameters[Fp16.Bytes..]);
        if (step == 0)
            codes.Clear();
        else
            RoundedCodes.Find<Roundings.Quotient>(numbers, Fp16.Read(parameters), step, 0, (1 << bits) - 1, codes);
    }

    private static double GroupError(ReadOnlySpan<float> numbers, ReadOnlySpan<byte> parameters, ReadOnlySpan<byte> codes)
    {
        double minimum = (double)Fp16.Read(parameters), step = (double)Fp16.Read(parameters[Fp16.Bytes..]), sum = 0;
        for (int i = 0; i < numbers.Length; i++)
        {
            double difference = numbers[i] - minimum - (codes[i] * step);
            sum += difference * difference;
        }

        return sum;
    }

    private static void DecodeGroup(ReadOnlySpan<byte> parameters, ReadOnlySpan<byte> codes, int count, int stride, Span<float> numbers)
    {
        float minimum = Fp16.Read(parameters), step = Fp16.Read(parameters[Fp16.Bytes..]);
        for (int i = 0; i < count; i++)
            numbers[i * stride] = minimum + (codes[i * stride] * step);
    }

    // A block is a group of tokens: minimum and step per channel, then the codes token by token.
    private sealed class Keys(CodecSpec spec, int dimension) : Codec(
        dimension,
        spec.Integer("group"),
        (ParameterBytes * dimension) + BitPacking.ByteCount(spec.Integer("group") * dimension, spec.Integer("bits")))
    {
        private readonly int _bits = spec.Integer("bits");

        public override int ScaleBytesPerBlock => Dimension * ParameterBytes;

        private protected override bool ScalesLead => true;

        protected override void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block) => EncodeChannels(rows, [], block);

        // A channel keeps minimum and step where they suit its new numbers: then those that are left keep their codes. A number outside their
        // range asks for others, of which those that are left know nothing; so here some error is added, channel by channel as little as can be.
        protected override void ReencodeBlock(ReadOnlySpan<float> rows, ReadOnlySpan<byte> cut, int kept, Span<byte> block) => EncodeChannels(rows, cut, block);

        private void EncodeChannels(ReadOnlySpan<float> rows, ReadOnlySpan<byte> cut, Span<byte> block)
        {
            byte[] rented = ArrayPool<byte>.Shared.Rent(rows.Length);
            Span<byte> codes = rented.AsSpan(0, rows.Length);
            Span<float> column = stackalloc float[RowsPerBlock];
            Span<byte> columnCodes = stackalloc byte[RowsPerBlock], sameCodes = stackalloc byte[RowsPerBlock];
            for (int c = 0; c < Dimension; c++)
            {
                for (int i = 0; i < RowsPerBlock; i++)
                    column[i] = rows[(i * Dimension) + c];
                Span<byte> parameters = block.Slice(c * ParameterBytes, ParameterBytes);
                EncodeGroup(column, _bits, parameters, columnCodes);
                if (!cut.IsEmpty)
                {
                    ReadOnlySpan<byte> same = cut.Slice(c * ParameterBytes, ParameterBytes);
                    EncodeGroupAs(column, _bits, same, sameCodes);
                    if (GroupError(column, same, sameCodes) <= GroupError(column, parameters, columnCodes))
                    {
                        same.CopyTo(parameters);
                        sameCodes.CopyTo(columnCodes);
                    }
                }

                for (int i = 0; i < RowsPerBlock; i++)
                    codes[(i * Dimension) + c] = columnCodes[i];
            }

            BitPacking.Pack(codes, _bits, block[(Dimension * ParameterBytes)..]);
            ArrayPool<byte>.Shared.Return(rented);
        }

        protected override void DecodeBlock(ReadOnlySpan<byte> block, Span<float> rows)
        {
            byte[] rented = ArrayPool<byte>.Shared.Rent(rows.Length);
            Span<byte> codes = rented.AsSpan(0, rows.Length);
            BitPacking.Unpack(block[(Dimension * ParameterBytes)..], _bits, codes);
            for (int c = 0; c < Dimension; c++)
                DecodeGroup(block[(c * ParameterBytes)..], codes[c..], RowsPerBlock, Dimension, rows[c..]);
            ArrayPool<byte>.Shared.Return(rented);
        }

        protected override void ScoreBlocks(PreparedQueries prepared, ReadOnlySpan<byte> blocks, Span<float> scores, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming)
        {
            // A row of codes that ends inside a byte is not one that the kernels read.
            if (Dimension * _bits % 8 != 0)
                base.ScoreBlocks(prepared, blocks, scores, arithmetic, upcoming);
            else if (_bits == 4)
                Score<Field4Rows>(prepared, blocks, scores, upcoming);
            else
                Score<Field2Rows>(prepared, blocks, scores, upcoming);
        }

        // Minimum and step go into the queries, once per block.
        private void Score<TFormat>(PreparedQueries prepared, ReadOnlySpan<byte> blocks, Span<float> scores, ReadOnlySpan<byte> upcoming)
            where TFormat : IRowFormat
        {
            int count = blocks.Length / BytesPerBlock, rows = count * RowsPerBlock, codesAt = Dimension * ParameterBytes, share = upcoming.Length / count;
            using var scratch = new AlignedScratch(prepared.Count * (Dimension + 1));
            Span<float> folded = scratch.Floats[..(prepared.Count * Dimension)], constants = scratch.Floats[folded.Length..];
            for (int b = 0; b < count; b++)
            {
                ReadOnlySpan<byte> block = blocks.Slice(b * BytesPerBlock, BytesPerBlock);
                for (int q = 0; q < prepared.Count; q++)
                    constants[q] = ChannelFold.Apply(block, prepared.Query(q), folded.Slice(q * Dimension, Dimension));
                var run = new RowRun(block[codesAt..], Dimension * _bits / 8, RowsPerBlock) { Upcoming = upcoming.Slice(b * share, share) };
                RowScores.Compute<TFormat>(run, Dimension, folded, Dimension, prepared.Count, scores[(b * RowsPerBlock)..], rows);
                for (int q = 0; q < prepared.Count; q++)
                {
                    Span<float> own = scores.Slice((q * rows) + (b * RowsPerBlock), RowsPerBlock);
                    TensorPrimitives.Add(own, constants[q], own);
                }
            }
        }
    }

    // A block is a token: minimum and step per group of channels (the last may be shorter), then the codes.
    private sealed class Values(CodecSpec spec, int dimension) : Codec(
        dimension,
        1,
        (ParameterBytes * Groups(spec, dimension)) + BitPacking.ByteCount(dimension, spec.Integer("bits")))
    {
        private readonly int _bits = spec.Integer("bits");
        private readonly int _group = spec.Integer("group");
        private readonly int _groups = Groups(spec, dimension);

        // The step of a group lies behind its minimum.
        private readonly GroupedAttention _attention = new(
            (ParameterBytes * Groups(spec, dimension)) + BitPacking.ByteCount(dimension, spec.Integer("bits")),
            dimension,
            spec.Integer("group"),
            Fp16.Bytes,
            ParameterBytes);

        public override int ScaleBytesPerBlock => _groups * ParameterBytes;

        private protected override bool ScalesLead => true;

        protected override void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block)
        {
            Span<byte> codes = stackalloc byte[Dimension];
            for (int g = 0; g < _groups; g++)
            {
                int start = g * _group, count = Math.Min(_group, Dimension - start);
                EncodeGroup(rows.Slice(start, count), _bits, block[(g * ParameterBytes)..], codes.Slice(start, count));
            }

            BitPacking.Pack(codes, _bits, block[(_groups * ParameterBytes)..]);
        }

        protected override void DecodeBlock(ReadOnlySpan<byte> block, Span<float> rows)
        {
            Span<byte> codes = stackalloc byte[Dimension];
            BitPacking.Unpack(block[(_groups * ParameterBytes)..], _bits, codes);
            for (int g = 0; g < _groups; g++)
            {
                int start = g * _group, count = Math.Min(_group, Dimension - start);
                DecodeGroup(block[(g * ParameterBytes)..], codes[start..], count, 1, rows[start..]);
            }
        }

        protected override void AccumulateBlocks(
            ReadOnlySpan<float> weights, ReadOnlySpan<byte> blocks, Span<float> accumulators, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming)
        {
            int codesAt = _groups * ParameterBytes;
            if (_bits == 4)
                _attention.Accumulate<Field4Rows>(weights, blocks, codesAt, accumulators, upcoming);
            else
                _attention.Accumulate<Field2Rows>(weights, blocks, codesAt, accumulators, upcoming);
            AddMinima(weights, blocks, accumulators);
        }

        // The parameters at the beginning of a row are a row of halves themselves; of its weighted sums every second is that of a minimum.
        private void AddMinima(ReadOnlySpan<float> weights, ReadOnlySpan<byte> blocks, Span<float> accumulators)
        {
            int rows = blocks.Length / BytesPerBlock, queries = accumulators.Length / Dimension, halves = 2 * _groups;
            using var scratch = new AlignedScratch(queries * halves);
            scratch.Floats.Clear();
            RowSums.Add<HalfRows>(new RowRun(blocks, BytesPerBlock, rows), 0, halves, weights, rows, queries, scratch.Floats, halves);
            for (int q = 0; q < queries; q++)
            {
                for (int g = 0; g < _groups; g++)
                {
                    int start = g * _group;
                    Span<float> sums = accumulators.Slice((q * Dimension) + start, Math.Min(_group, Dimension - start));
                    TensorPrimitives.Add(sums, scratch.Floats[(q * halves) + (2 * g)], sums);
                }
            }
        }

        private static int Groups(CodecSpec spec, int dimension) => (dimension + spec.Integer("group") - 1) / spec.Integer("group");
    }
}
