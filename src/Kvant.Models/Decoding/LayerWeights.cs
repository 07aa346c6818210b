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

    public required float[] FeedForwardNorm { get; init; }

    public required Projection Gate { get; init; }

    public required Projection Up { get; init; }

    public required Projection Down { get; init; }
}
