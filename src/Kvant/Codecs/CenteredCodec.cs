using System.Buffers.Binary;
using System.Globalization;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Kvant.Kernels;

namespace Kvant.Codecs;

/// <summary>
/// Rows without what they share: a mean is subtracted before another codec sees them. A vector that all keys of a head have in common takes the
/// levels away from what tells them apart, and the softmax never sees it.
/// </summary>
/// <remarks>
/// The mean is stored in the basis of the codes, where its numbers are alike, and subtracted as it decodes, so that its rounding goes into the
/// residuals. A score is that of the residual plus query . mean, in floats.
/// </remarks>
internal abstract class CenteredCodec : Codec
{
    protected CenteredCodec(Codec inner, Codec mean, int rowsPerBlock, int bytesPerBlock)
        : base(inner.Dimension, rowsPerBlock, bytesPerBlock) => (Inner, Mean) = (inner, mean);

    /// <summary>A prepared query is that of the inner codec, which begins with the query in the basis of the codes.</summary>
    public sealed override int PreparedLength => Inner.PreparedLength;

    /// <summary>Codes the residuals.</summary>
    protected Codec Inner { get; }

    /// <summary>Codes the mean, a row in the basis of <see cref="Inner"/>.</summary>
    protected Codec Mean { get; }

    /// <summary>What a method whose settings have <see cref="CommonSettings.Mean"/> makes.</summary>
    /// <param name="create">Makes the codec of the residuals; it needs no calibration.</param>
    public static Func<CodecSpec, int, CodecRole, Codec> Around(Func<CodecSpec, int, CodecRole, Codec> create) => (spec, dimension, role) =>
    {
        Codec inner = create(spec, dimension, role), mean = spec["meanbits"] switch
        {
            "16" => new Fp16Codec(dimension),
            "8" => new Q8Codec(dimension),
            _ => new Q4Codec(dimension),
        };
        return spec["mean"] switch
        {
            "0" => inner,
            "head" => new HeadMeanCodec(inner, mean, leastShare: 0),
            "auto" => new HeadMeanCodec(inner, mean, HeadMeanCodec.ShareThatPays),
            string rows => new BlockMeanCodec(inner, mean, int.Parse(rows, CultureInfo.InvariantCulture)),
        };
    };

    protected sealed override void ToBasis(ReadOnlySpan<float> queries, Span<float> inBasis) => Inner.PartToBasis(queries, inBasis);

    protected sealed override void FromBasis(ReadOnlySpan<float> accumulators, Span<float> outputs) => Inner.PartFromBasis(accumulators, outputs);

    protected sealed override void PrepareQuery(ReadOnlySpan<float> query, ReadOnlySpan<float> inBasis, Span<float> prepared) =>
        Inner.PreparePart(query, inBasis, prepared);

    protected sealed override void DecodeBlock(ReadOnlySpan<byte> block, Span<float> rows)
    {
        DecodeInBasis(block, rows);
        FromBasis(rows, rows);
    }

    /// <summary>Writes the mean of rows as it is stored, zeros if it is too large, and what it decodes to in both bases.</summary>
    /// <returns>Whether it is stored.</returns>
    protected bool StoreMean(ReadOnlySpan<float> rows, Span<byte> stored, Span<float> inBasis, Span<float> mean)
    {
        // One row after the other: each number has its own sum, so the order is the same at every vector width.
        mean.Clear();
        for (int i = 0; i < rows.Length; i += Dimension)
            TensorPrimitives.Add(mean, rows.Slice(i, Dimension), mean);
        TensorPrimitives.Multiply(mean, (float)Dimension / rows.Length, mean); // a power of two
        ToBasis(mean, inBasis);
        if (!Halves.AreAtMost(inBasis, Fp16.Largest))
        {
            stored.Clear();
            return false;
        }

        Mean.EncodePart(inBasis, stored);
        DecodeMean(stored, inBasis);
        FromBasis(inBasis, mean);
        return true;
    }

    /// <summary>Reads a stored mean, halves as the kernels read them: once per block, so it must not take long.</summary>
    protected void DecodeMean(ReadOnlySpan<byte> stored, Span<float> inBasis)
    {
        if (Mean is Fp16Codec)
            Halves.Widen(MemoryMarshal.Cast<byte, ushort>(stored), inBasis);
        else
            Mean.DecodePart(stored, inBasis);
    }

    /// <summary>query . mean of every prepared query and stored mean: [query, mean]. The kernels read means where they lie, like any rows.</summary>
    /// <param name="prepared">The queries.</param>
    /// <param name="stored">Begins at the first mean.</param>
    /// <param name="stride">Bytes from one to the next.</param>
    /// <param name="count">Means.</param>
    /// <param name="products">Receives the products.</param>
    protected void ScoreStored(PreparedQueries prepared, ReadOnlySpan<byte> stored, int stride, int count, Span<float> products)
    {
        RowRun run = Stored(stored, stride, count);
        if (Mean is Fp16Codec)
            RowScores.Compute<HalfRows>(run, Dimension, prepared.Slots, prepared.Length, prepared.Count, products, count);
        else if (Mean is Q8Codec)
            RowScores.Compute<ByteRows>(run, Dimension, prepared.Slots, prepared.Length, prepared.Count, products, count);
        else
            RowScores.Compute<SignedField4Rows>(run, Dimension, prepared.Slots, prepared.Length, prepared.Count, products, count);
        Scale(products, stored, stride, count, prepared.Count);
    }

    /// <summary>Adds stored means, weighted by the sums of their rows' weights, [query, mean], to the accumulators of the queries.</summary>
    /// <param name="sums">The weights; they are used up.</param>
    /// <param name="stored">Begins at the first mean.</param>
    /// <param name="stride">Bytes from one to the next.</param>
    /// <param name="count">Means.</param>
    /// <param name="accumulators">[query, number].</param>
    protected void AccumulateStored(Span<float> sums, ReadOnlySpan<byte> stored, int stride, int count, Span<float> accumulators)
    {
        int queries = accumulators.Length / Dimension;
        Scale(sums, stored, stride, count, queries);
        RowRun run = Stored(stored, stride, count);
        if (Mean is Fp16Codec)
            RowSums.Add<HalfRows>(run, 0, Dimension, sums, count, queries, accumulators, Dimension);
        else if (Mean is Q8Codec)
            RowSums.Add<ByteRows>(run, 0, Dimension, sums, count, queries, accumulators, Dimension);
        else
            RowSums.Add<SignedField4Rows>(run, 0, Dimension, sums, count, queries, accumulators, Dimension);
    }

    /// <summary>query . mean of every prepared query and decoded mean: [query, mean].</summary>
    protected void ScoreMeans(PreparedQueries prepared, ReadOnlySpan<float> means, Span<float> products, ReadOnlySpan<byte> upcoming) =>
        RowScores.Compute<SingleRows>(Rows(means, upcoming), Dimension, prepared.Slots, prepared.Length, prepared.Count, products, means.Length / Dimension);

    /// <summary>Adds decoded means, weighted by the sums of their rows' weights, [query, mean], to the accumulators of the queries.</summary>
    protected void AccumulateMeans(ReadOnlySpan<float> sums, ReadOnlySpan<float> means, Span<float> accumulators, ReadOnlySpan<byte> upcoming) =>
        RowSums.Add<SingleRows>(Rows(means, upcoming), 0, Dimension, sums, means.Length / Dimension, accumulators.Length / Dimension, accumulators, Dimension);

    /// <summary>Takes a mean away from rows.</summary>
    protected void Subtract(ReadOnlySpan<float> rows, ReadOnlySpan<float> mean, Span<float> residuals)
    {
        for (int i = 0; i < rows.Length; i += Dimension)
            TensorPrimitives.Subtract(rows.Slice(i, Dimension), mean, residuals.Slice(i, Dimension));
    }

    /// <summary>Adds a mean to rows.</summary>
    protected void Add(ReadOnlySpan<float> mean, Span<float> rows)
    {
        for (int i = 0; i < rows.Length; i += Dimension)
            TensorPrimitives.Add(rows.Slice(i, Dimension), mean, rows.Slice(i, Dimension));
    }

    // numbers[q, mean] times the scale of the mean, where it has one.
    private void Scale(Span<float> numbers, ReadOnlySpan<byte> stored, int stride, int count, int queries)
    {
        if (Mean is Q4Codec)
            RowScales.Weigh(stored, 0, stride, count, numbers, count, queries, numbers, count);
        for (int i = 0; Mean is Q8Codec && i < queries * count; i++)
            numbers[i] *= BinaryPrimitives.ReadSingleLittleEndian(stored[(i % count * stride)..]);
    }

    // The numbers of stored means, behind their scales.
    private RowRun Stored(ReadOnlySpan<byte> stored, int stride, int count) => new(stored[Mean.ScaleBytesPerBlock..], stride, count);

    private RowRun Rows(ReadOnlySpan<float> means, ReadOnlySpan<byte> upcoming) =>
        new(MemoryMarshal.AsBytes(means), sizeof(float) * Dimension, means.Length / Dimension) { Upcoming = upcoming };
}
