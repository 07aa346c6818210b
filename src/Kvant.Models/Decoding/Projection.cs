using Kvant.Models.Weights;

namespace Kvant.Models.Decoding;

/// <summary>A matrix and what is added to its product.</summary>
internal sealed record Projection(WeightMatrix Matrix, float[]? Bias);
