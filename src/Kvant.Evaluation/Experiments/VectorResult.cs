using Kvant.Evaluation.Metrics;

namespace Kvant.Evaluation.Experiments;

/// <summary>What <see cref="VectorMeasurement"/> found for one codec.</summary>
internal sealed record VectorResult
{
    /// <summary>The policy that the codec was asked for by, with its side; null for a codec on its own.</summary>
    public string? Policy { get; init; }

    /// <summary>The full text of the spec.</summary>
    public required string Codec { get; init; }

    /// <summary>Vectors.</summary>
    public required int Rows { get; init; }

    /// <summary>Numbers in a vector.</summary>
    public required int Dimension { get; init; }

    /// <summary>Stored bytes by vector: blocks, state and tail, so a row that fills no block counts as 16-bit floats.</summary>
    public required double BytesPerRow { get; init; }

    /// <summary>Stored bits by number.</summary>
    public required double BitsPerValue { get; init; }

    /// <summary>Energy of the error over energy of the vectors (<see cref="NormalizedError"/>).</summary>
    public required double Nmse { get; init; }

    /// <summary>Mean cosine between a vector and its decoded vector (<see cref="CosineSimilarity"/>).</summary>
    public required double Cosine { get; init; }

    /// <summary>How far estimated dot products with random unit queries are off on average, as a share: 0 is unbiased,
    /// -1 is always zero (<see cref="InnerProductError.Bias"/>).</summary>
    public required double InnerProductBias { get; init; }

    /// <summary>Root mean square error of those estimates, as a share of the vector's norm (<see cref="InnerProductError.Rmse"/>).</summary>
    public required double InnerProductRmse { get; init; }

    /// <summary>Vectors encoded in a second by one thread, warm, median; 0 if not measured or if no block was full.</summary>
    public required double EncodeRowsPerSecond { get; init; }
}
