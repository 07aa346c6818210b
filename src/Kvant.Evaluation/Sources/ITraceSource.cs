using Kvant.Codecs;

namespace Kvant.Evaluation.Sources;

/// <summary>
/// Keys, values and, where they were recorded, queries of a transformer, one head at a time: what a
/// <see cref="Experiments.TraceExperiment"/> runs on. <see cref="MemoryTrace"/> holds one in memory.
/// </summary>
/// <remarks>An experiment may read from several threads at once.</remarks>
internal interface ITraceSource
{
    /// <summary>What a report calls the trace.</summary>
    string Name { get; }

    /// <summary>Transformer layers.</summary>
    int Layers { get; }

    /// <summary>Key-value heads of a layer.</summary>
    int KvHeads { get; }

    /// <summary>Query heads of a layer, a multiple of <see cref="KvHeads"/>; consecutive ones share a key-value head. 0 without queries.</summary>
    int QueryHeads { get; }

    /// <summary>Tokens of the recorded text.</summary>
    int Tokens { get; }

    /// <summary>Numbers in a key, and in a query.</summary>
    int KeyDimension { get; }

    /// <summary>Numbers in a value.</summary>
    int ValueDimension { get; }

    /// <summary>Whether queries were recorded.</summary>
    bool HasQueries { get; }

    /// <summary>How positions turned keys and queries; null where nobody knows.</summary>
    RotaryEmbedding? Rotary => null;

    /// <summary>The hash of the model that was recorded (<see cref="Formats.CachePolicyFile.HashOf"/>); null where nobody knows.</summary>
    string? ModelHash => null;

    /// <summary>What the model multiplies dot products by before the softmax.</summary>
    double SoftmaxScale { get; }

    /// <summary>Reads the keys of one head.</summary>
    /// <param name="layer">0 to <see cref="Layers"/> - 1.</param>
    /// <param name="kvHead">0 to <see cref="KvHeads"/> - 1.</param>
    /// <param name="rows">Receives <see cref="Tokens"/> times <see cref="KeyDimension"/> floats.</param>
    void ReadKeys(int layer, int kvHead, Span<float> rows);

    /// <summary>Reads the values of one head.</summary>
    /// <param name="layer">0 to <see cref="Layers"/> - 1.</param>
    /// <param name="kvHead">0 to <see cref="KvHeads"/> - 1.</param>
    /// <param name="rows">Receives <see cref="Tokens"/> times <see cref="ValueDimension"/> floats.</param>
    void ReadValues(int layer, int kvHead, Span<float> rows);

    /// <summary>Reads the queries of one head.</summary>
    /// <param name="layer">0 to <see cref="Layers"/> - 1.</param>
    /// <param name="head">0 to <see cref="QueryHeads"/> - 1.</param>
    /// <param name="rows">Receives <see cref="Tokens"/> times <see cref="KeyDimension"/> floats.</param>
    /// <exception cref="InvalidOperationException">The trace has no queries.</exception>
    void ReadQueries(int layer, int head, Span<float> rows);
}
