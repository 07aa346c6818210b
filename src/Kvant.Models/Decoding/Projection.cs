using System.Numerics.Tensors;
using Kvant.Models.Weights;

namespace Kvant.Models.Decoding;

/// <summary>A matrix and what is added to its product.</summary>
internal sealed record Projection(WeightMatrix Matrix, float[]? Bias)
{
    /// <summary>Projects the vectors of some tokens.</summary>
    /// <param name="product">Who multiplies.</param>
    /// <param name="inputs">tokens x columns.</param>
    /// <param name="buffer">Receives tokens x rows, from its beginning.</param>
    /// <param name="count">How many tokens.</param>
    /// <returns>What was received.</returns>
    internal Memory<float> Apply(MatrixProduct product, ReadOnlyMemory<float> inputs, float[] buffer, int count)
    {
        Memory<float> outputs = buffer.AsMemory(0, count * Matrix.Rows);
        product.Multiply(Matrix, inputs, outputs);
        if (Bias is not null)
        {
            for (Span<float> row = outputs.Span; !row.IsEmpty; row = row[Bias.Length..]) TensorPrimitives.Add(row[..Bias.Length], Bias, row);
        }
        return outputs;
    }
}
