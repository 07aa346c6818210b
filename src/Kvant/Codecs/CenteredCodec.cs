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
        Codec inner = create(spec, dimension, role), mean = spec["meanbits"] == "16" ? new Fp16Codec(dimension) : new Q8Codec(dimension);
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

    protected sealed override void PrepareQuery(ReadOnlySpan<float> query, Span<float> prepared) => Inner.PreparePart(query, prepared);

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
        Mean.DecodePart(stored, inBasis);
        FromBasis(inBasis, mean);
        return true;
    }

    /// <summary>query . mean of every prepared query.</summary>
    protected void ScoreMean(PreparedQueries prepared, ReadOnlySpan<float> mean, Span<float> products) =>
        RowScores.Compute<SingleRows>(
            new RowRun(MemoryMarshal.AsBytes(mean), sizeof(float) * Dimension, 1), Dimension, prepared.Slots, prepared.Length, prepared.Count, products, 1);

    /// <summary>Adds the mean of a query's rows to its accumulator.</summary>
    protected static void AccumulateMean(ReadOnlySpan<float> weights, ReadOnlySpan<float> mean, Span<float> accumulator) =>
        TensorPrimitives.MultiplyAdd(mean, TensorPrimitives.Sum(weights), accumulator, accumulator);

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
}
