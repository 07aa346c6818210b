namespace Kvant.Codecs;

/// <summary>What is known of a head beside its first rows when a codec learns from them. All of it may be missing; a codec does with what there is.</summary>
public sealed record CalibrationContext
{
    /// <summary>Nothing is known.</summary>
    public static CalibrationContext Unknown { get; } = new();

    /// <summary>How rows were turned by their positions; null if they were not, or nobody knows.</summary>
    public RotaryEmbedding? Rotary { get; init; }

    /// <summary>Per channel, the sum of the squares of the queries that the head has met; empty if nobody knows.</summary>
    public IReadOnlyList<double> QueryEnergies { get; init; } = [];
}
