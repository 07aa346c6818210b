using Kvant.Kernels;

namespace Kvant.Codecs;

/// <summary>Attention over codecs whose blocks are rows in a format that the kernels read as it is.</summary>
internal static class RowAttention
{
    /// <summary>What <see cref="Codec.Score"/> does after its checks.</summary>
    public static void Score<TFormat>(Codec codec, PreparedQueries prepared, ReadOnlySpan<byte> blocks, Span<float> scores, ReadOnlySpan<byte> upcoming)
        where TFormat : IRowFormat
    {
        int rows = blocks.Length / codec.BytesPerBlock;
        var run = new RowRun(blocks, codec.BytesPerBlock, rows) { Upcoming = upcoming };
        RowScores.Compute<TFormat>(run, codec.Dimension, prepared.Slots, prepared.Length, prepared.Count, scores, rows);
    }

    /// <summary>What <see cref="Codec.Accumulate"/> does after its checks.</summary>
    public static void Accumulate<TFormat>(
        Codec codec, ReadOnlySpan<float> weights, ReadOnlySpan<byte> blocks, Span<float> accumulators, ReadOnlySpan<byte> upcoming)
        where TFormat : IRowFormat
    {
        int rows = blocks.Length / codec.BytesPerBlock;
        var run = new RowRun(blocks, codec.BytesPerBlock, rows) { Upcoming = upcoming };
        RowSums.Add<TFormat>(run, 0, codec.Dimension, weights, rows, accumulators.Length / codec.Dimension, accumulators, codec.Dimension);
    }
}
