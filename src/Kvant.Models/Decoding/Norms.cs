using System.Numerics.Tensors;

namespace Kvant.Models.Decoding;

/// <summary>Root-mean-square normalization: a vector is divided by the root of the mean of its squares, then multiplied by weights.</summary>
internal static class Norms
{
    /// <summary>Normalizes vectors of the weights' length, one after the other; source and destination may be the same.</summary>
    internal static void Apply(ReadOnlySpan<float> vectors, ReadOnlySpan<float> weights, float epsilon, Span<float> destination)
    {
        int length = weights.Length;
        for (; !vectors.IsEmpty; vectors = vectors[length..], destination = destination[length..])
        {
            ReadOnlySpan<float> vector = vectors[..length];
            float scale = 1 / MathF.Sqrt((TensorPrimitives.SumOfSquares(vector) / length) + epsilon);
            TensorPrimitives.Multiply(vector, scale, destination);
            TensorPrimitives.Multiply(destination[..length], weights, destination);
        }
    }
}
