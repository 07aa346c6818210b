using Kvant.Codecs;
using Kvant.Formats;

namespace Kvant.Evaluation.Sources;

/// <summary>A trace file as the source of an experiment. The file stays the caller's: open it before and close it after.</summary>
/// <param name="trace">The open file.</param>
internal sealed class RecordedTrace(Trace trace) : ITraceSource
{
    /// <summary>The name of the file, without its folders.</summary>
    public string Name => Path.GetFileName(trace.Path);

    /// <inheritdoc/>
    public int Layers => trace.Layers;

    /// <inheritdoc/>
    public int KvHeads => trace.KvHeads;

    /// <inheritdoc/>
    public int QueryHeads => trace.QueryHeads;

    /// <inheritdoc/>
    public int Tokens => trace.Tokens;

    /// <inheritdoc/>
    public int KeyDimension => trace.KeyDimension;

    /// <inheritdoc/>
    public int ValueDimension => trace.ValueDimension;

    /// <inheritdoc/>
    public bool HasQueries => trace.HasQueries;

    /// <inheritdoc/>
    public RotaryEmbedding? Rotary => trace.Rotary;

    /// <inheritdoc/>
    public string? ModelHash => trace.ModelHash;

    /// <inheritdoc/>
    public double SoftmaxScale => trace.SoftmaxScale;

    /// <inheritdoc/>
    public void ReadKeys(int layer, int kvHead, Span<float> rows) => trace.ReadKeys(layer, kvHead, rows);

    /// <inheritdoc/>
    public void ReadValues(int layer, int kvHead, Span<float> rows) => trace.ReadValues(layer, kvHead, rows);

    /// <inheritdoc/>
    public void ReadQueries(int layer, int head, Span<float> rows) => trace.ReadQueries(layer, head, rows);
}
