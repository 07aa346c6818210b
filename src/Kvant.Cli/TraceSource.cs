using Kvant.Evaluation.Sources;
using Kvant.Formats;

namespace Kvant.Cli;

/// <summary>A trace file as the source of an experiment.</summary>
internal sealed class TraceSource(Trace trace) : ITraceSource
{
    public string Name => Path.GetFileNameWithoutExtension(trace.Path);

    public int Layers => trace.Layers;

    public int KvHeads => trace.KvHeads;

    public int QueryHeads => trace.QueryHeads;

    public int Tokens => trace.Tokens;

    public int KeyDimension => trace.KeyDimension;

    public int ValueDimension => trace.ValueDimension;

    public bool HasQueries => trace.HasQueries;

    public double SoftmaxScale => trace.SoftmaxScale;

    public void ReadKeys(int layer, int kvHead, Span<float> rows) => trace.ReadKeys(layer, kvHead, rows);

    public void ReadValues(int layer, int kvHead, Span<float> rows) => trace.ReadValues(layer, kvHead, rows);

    public void ReadQueries(int layer, int head, Span<float> rows) => trace.ReadQueries(layer, head, rows);
}
