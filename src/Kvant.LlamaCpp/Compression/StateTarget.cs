using Kvant.LlamaCpp.States;

namespace Kvant.LlamaCpp.Compression;

/// <summary>How a context wants a state that was saved by another one. What is null stays as it was saved.</summary>
internal sealed record StateTarget
{
    /// <summary>Whether the state has the form that is handed over in memory, without magic of a file and tokens.</summary>
    public bool InMemory { get; init; }

    /// <summary>The sequence that cells belong to, in states of one sequence.</summary>
    public int? Sequence { get; init; }

    /// <summary>Streams of the context, in states of one sequence.</summary>
    public int? Streams { get; init; }

    /// <summary>Whether values are transposed.</summary>
    public bool? IsTransposed { get; init; }

    /// <summary>The type of keys that are floats.</summary>
    public GgmlType? KeyType { get; init; }

    /// <summary>The type of values that are floats.</summary>
    public GgmlType? ValueType { get; init; }

    /// <summary>The outline of a part as the context wants it.</summary>
    /// <exception cref="InvalidDataException">It cannot be had that way.</exception>
    public AttentionPart Of(AttentionPart part, bool isWhole)
    {
        StreamPart[] streams = part.Streams;
        if (!isWhole && Streams is { } wanted)
        {
            StreamPart[] held = [.. streams.Where(stream => stream.Cells.Count > 0)];
            if (held.Length > 1)
                throw new InvalidDataException($"the sequence lies in {held.Length} streams; one is possible");
            // Which stream the sequence has is its number's; the one that is read into it is the one with cells.
            streams = [.. held, .. Enumerable.Range(0, wanted - held.Length).Select(_ => new StreamPart(new CellTable(), [], []))];
        }

        bool transposed = part.Layers.Length > 0 && (IsTransposed ?? part.IsTransposed);
        return new(transposed, Array.ConvertAll(part.Layers, layer => Of(layer, part.IsTransposed, transposed)), streams);
    }

    private LayerRows Of(LayerRows layer, bool wasTransposed, bool transposed)
    {
        if (!layer.IsFloat)
        {
            return transposed != wasTransposed || (KeyType ?? layer.KeyType) != layer.KeyType || (ValueType ?? layer.ValueType) != layer.ValueType
                ? throw new InvalidDataException($"the state has rows of {layer.KeyType} and {layer.ValueType}, which are kept as they are; the context has {KeyType ?? layer.KeyType} and {ValueType ?? layer.ValueType}{(transposed == wasTransposed ? "" : ", the other way round")}")
                : layer;
        }

        GgmlType keys = KeyType ?? layer.KeyType, values = ValueType ?? layer.ValueType;
        return keys.IsFloat && values.IsFloat ? new(keys, (long)layer.KeyWidth * keys.BlockBytes, values, (long)layer.ValueWidth * values.BlockBytes)
            : throw new InvalidDataException($"the state has rows of {layer.KeyType} and {layer.ValueType}; the context has {keys} and {values}");
    }
}
