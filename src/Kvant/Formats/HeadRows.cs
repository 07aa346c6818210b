using System.Numerics.Tensors;

namespace Kvant.Formats;

/// <summary>Checks and copies of traces: all rows of one head lie in one span.</summary>
internal static class HeadRows
{
    internal static void RequireLength(int found, int tokens, int dimension, string parameter)
    {
        long wanted = (long)tokens * dimension;
        if (found != wanted) throw new ArgumentException($"{found} numbers found, {tokens} x {dimension} = {wanted} wanted", parameter);
    }

    internal static void RequireFinite(string path, string tensor, int layer, int head, int dimension, ReadOnlySpan<float> rows, int firstToken = 0)
    {
        if (TensorPrimitives.IsFiniteAll(rows)) return;
        int index = ElementTypes.FirstRefused(ElementType.F32, rows);
        throw new InvalidDataException($"{path}: {tensor}: layer {layer}, head {head}, token {firstToken + (index / dimension)}, channel {index % dimension} is {rows[index]}");
    }

    internal static void RequireStorable(ElementType type, int layer, HeadKind kind, int head, int dimension, ReadOnlySpan<float> rows)
    {
        int index = ElementTypes.FirstRefused(type, rows);
        if (index >= 0)
            throw new ArgumentException($"layer {layer}, {kind.ToString().ToLowerInvariant()} head {head}, token {index / dimension}, channel {index % dimension} is {rows[index]}; finite numbers that fit {type.Name()} are wanted", nameof(rows));
    }

    /// <summary>Streams numbers that <see cref="RequireStorable"/> let pass.</summary>
    internal static void Write(SafetensorsWriter writer, ElementType type, ReadOnlySpan<float> rows)
    {
        const int Piece = 2048;
        Span<byte> buffer = stackalloc byte[Piece * sizeof(float)];
        while (!rows.IsEmpty)
        {
            int count = Math.Min(Piece, rows.Length);
            Span<byte> bytes = buffer[..(count * type.Size())];
            ElementTypes.FromSingles(type, rows[..count], bytes);
            writer.Write(bytes);
            rows = rows[count..];
        }
    }
}
