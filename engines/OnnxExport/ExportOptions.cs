namespace OnnxExport;

/// <summary>How a decoder is written down.</summary>
public sealed record ExportOptions
{
    /// <summary>Attention as one operation of ONNX Runtime, GroupQueryAttention, as the builder of ONNX Runtime GenAI has it; else as products and a softmax, as Optimum has it.</summary>
    public bool GroupQuery { get; init; }

    /// <summary>Queries, keys and values of <see cref="GroupQuery"/> come from one matrix.</summary>
    public bool Packed { get; init; }

    /// <summary>Weights, keys and values in half precision.</summary>
    public bool Half { get; init; }

    /// <summary>Keys and values alone in half precision; with <see cref="GroupQuery"/>, which wants them as its queries are, rounded to it and given as floats.</summary>
    public bool HalfPast { get; init; }

    /// <summary>Whether large weights go into a file of their own, beside the model's.</summary>
    public bool DataFile { get; init; }

    /// <summary>Tokens, positions and the mask are numbers of 32 bits.</summary>
    public bool ShortNumbers { get; init; }

    /// <summary>A decoder without a past is merged with the one that has one, as branches of one graph; 'use_cache_branch' says which is meant. As Optimum's decoder_model_merged.onnx; attention as products alone.</summary>
    public bool Merged { get; init; }

    /// <summary>Layers see only so many of the newest tokens; 0 for all. No llama does: models that cannot be cut are made so.</summary>
    public int Window { get; init; }
}
