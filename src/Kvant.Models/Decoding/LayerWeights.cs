using Kvant.Models.Weights;

namespace Kvant.Models.Decoding;

/// <summary>The weights of one layer.</summary>
internal sealed record LayerWeights
{
    public required float[] AttentionNorm { get; init; }

    public required Projection Query { get; init; }

    public required Projection Key { get; init; }

    public required Projection Value { get; init; }

    public required float[]? QueryNorm { get; init; }

    public required float[]? KeyNorm { get; init; }

    public required Projection Output { get; init; }

    public required float[]? OutputNorm { get; init; }

    public required float[] FeedForwardNorm { get; init; }

    /// <summary>What follows attention: one part, or as many as there are experts.</summary>
    public required GatedPart[] Parts { get; init; }

    /// <summary>Gives each expert a score; null where there is one part.</summary>
    public required WeightMatrix? Router { get; init; }

    public required float[]? DownNorm { get; init; }

    /// <summary>All matrices of the layer but its router, with what is added to their products.</summary>
    internal IEnumerable<Projection> Projections => [Query, Key, Value, Output, .. Parts.SelectMany(static p => new[] { p.Gate, p.Up, p.Down })];

    /// <summary>Takes the tensors of one layer.</summary>
    internal static LayerWeights Read(TensorSet tensors, ModelConfig config, Architecture family, int layer)
    {
        string prefix = $"blk.{layer}.";
        int width = config.Width, dimension = config.HeadDimension;
        // Sizes come from a file: their products may be too large for a row count, which no tensor can then have.
        int queries = (int)Math.Min((long)config.QueryHeads * dimension, int.MaxValue), keys = queries / (config.QueryHeads / config.KeyValueHeads);
        float[] attentionNorm = tensors.Vector(prefix + "attn_norm.weight", width);
        Projection[] attention = family.FusesProjections
            ? tensors.Fused(prefix + "attn_qkv", width, queries, keys, keys)
            : [Biased("attn_q", queries), Biased("attn_k", keys), Biased("attn_v", keys)];
        return new LayerWeights
        {
            AttentionNorm = attentionNorm,
            Query = attention[0],
            Key = attention[1],
            Value = attention[2],
            QueryNorm = tensors.VectorIf(family.NormalizesHeads, prefix + "attn_q_norm.weight", dimension),
            KeyNorm = tensors.VectorIf(family.NormalizesHeads, prefix + "attn_k_norm.weight", dimension),
            Output = tensors.Projection(prefix + "attn_output", queries, width),
            OutputNorm = tensors.VectorIf(family.NormalizesOutputs, prefix + "post_attention_norm.weight", width),
            FeedForwardNorm = tensors.Vector(prefix + "ffn_norm.weight", width),
            Router = config.Experts > 0 ? tensors.Matrix(prefix + "ffn_gate_inp.weight", width, config.Experts) : null,
            Parts = ReadParts(tensors, config, family, prefix),
            DownNorm = tensors.VectorIf(family.NormalizesOutputs, prefix + "post_ffw_norm.weight", width),
        };

        Projection Biased(string name, int rows) => tensors.Projection(prefix + name, width, rows, family.HasAttentionBias);
    }

    private static GatedPart[] ReadParts(TensorSet tensors, ModelConfig config, Architecture family, string prefix)
    {
        int width = config.Width, inner = config.FeedForward;
        if (config.Experts > 0)
        {
            Projection[] gates = tensors.Stacked(prefix + "ffn_gate_exps.weight", width, inner, config.Experts), ups = tensors.Stacked(prefix + "ffn_up_exps.weight", width, inner, config.Experts);
            Projection[] downs = tensors.Stacked(prefix + "ffn_down_exps.weight", inner, width, config.Experts);
            return [.. gates.Select((gate, expert) => new GatedPart(gate, ups[expert], downs[expert]))];
        }
        Projection[] both = family.FusesProjections
            ? tensors.Fused(prefix + "ffn_up", width, inner, inner)
            : [tensors.Projection(prefix + "ffn_gate", width, inner), tensors.Projection(prefix + "ffn_up", width, inner)];
        return [new GatedPart(both[0], both[1], tensors.Projection(prefix + "ffn_down", inner, width))];
    }
}
