using System.Numerics.Tensors;
using Kvant.Kernels;
using Kvant.Memory;

namespace Kvant.Codecs;

/// <summary>Attention over rows of halves, whose exponents are set right in the queries and the weights, once per call instead of once per
/// number. What is too large for that takes the plain way.</summary>
internal static class HalfAttention
{
    // Times 2^112 it is still a float.
    private const float Largest = 16384;

    /// <summary>What <see cref="Codec.Score"/> does after its checks.</summary>
    public static void Score(Codec codec, PreparedQueries prepared, ReadOnlySpan<byte> blocks, Span<float> scores, ReadOnlySpan<byte> upcoming)
    {
        ReadOnlySpan<float> queries = prepared.Slots[..(prepared.Count * prepared.Length)];
        if (!Halves.AreAtMost(queries, Largest))
        {
            RowAttention.Score<HalfRows>(codec, prepared, blocks, scores, upcoming);
            return;
        }

        using var scratch = new AlignedScratch(queries.Length);
        TensorPrimitives.Multiply(queries, HalfBits.Bias, scratch.Floats);
        int rows = blocks.Length / codec.BytesPerBlock;
        var run = new RowRun(blocks, codec.BytesPerBlock, rows) { Upcoming = upcoming };
        RowScores.Compute<UnscaledHalfRows>(run, codec.Dimension, scratch.Floats, prepared.Length, prepared.Count, scores, rows);
    }

    /// <summary>What <see cref="Codec.Accumulate"/> does after its checks.</summary>
    public static void Accumulate(Codec codec, ReadOnlySpan<float> weights, ReadOnlySpan<byte> blocks, Span<float> accumulators, ReadOnlySpan<byte> upcoming)
    {
        if (!Halves.AreAtMost(weights, Largest))
        {
            RowAttention.Accumulate<HalfRows>(codec, weights, blocks, accumulators, upcoming);
            return;
        }

        using var scratch = new AlignedScratch(weights.Length);
        TensorPrimitives.Multiply(weights, HalfBits.Bias, scratch.Floats);
        RowAttention.Accumulate<UnscaledHalfRows>(codec, scratch.Floats, blocks, accumulators, upcoming);
    }
}
