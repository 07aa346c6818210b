using System.Numerics.Tensors;

namespace Kvant.Models.Decoding;

/// <summary>What the gates of feed-forward parts let through (Shazeer, 2020): SwiGLU, gate * sigmoid(gate) * up, or GeGLU, where the sigmoid is one of
/// 2 * sqrt(2 / pi) * (gate + 0.044715 * gate^3), which is the GELU by tanh written otherwise.</summary>
internal static class Gates
{
    private const int Piece = 256;
    private const float Linear = 1.5957691216057308f, Cubic = Linear * 0.044715f;

    /// <summary>Multiplies <paramref name="up"/> by the gates, which are overwritten.</summary>
    internal static void Apply(Span<float> gate, Span<float> up, bool gelu)
    {
        TensorPrimitives.Multiply(up, gate, up);
        if (gelu) Bend(gate);
        TensorPrimitives.Sigmoid(gate, gate);
        TensorPrimitives.Multiply(up, gate, up);
    }

    private static void Bend(Span<float> gate)
    {
        Span<float> factors = stackalloc float[Piece];
        for (; !gate.IsEmpty; gate = gate[Math.Min(Piece, gate.Length)..])
        {
            Span<float> part = gate[..Math.Min(Piece, gate.Length)], factor = factors[..part.Length];
            TensorPrimitives.Multiply(part, part, factor);
            TensorPrimitives.Multiply(factor, Cubic, factor);
            TensorPrimitives.Add(factor, Linear, factor);
            TensorPrimitives.Multiply(part, factor, part);
        }
    }
}
