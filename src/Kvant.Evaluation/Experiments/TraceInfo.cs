using Kvant.Evaluation.Sources;

namespace Kvant.Evaluation.Experiments;

/// <summary>Which trace an experiment ran on.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Layers">Transformer layers.</param>
/// <param name="KvHeads">Key-value heads of a layer.</param>
/// <param name="QueryHeads">Query heads of a layer; 0 where no queries were recorded.</param>
/// <param name="Tokens">Tokens.</param>
/// <param name="KeyDimension">Numbers in a key.</param>
/// <param name="ValueDimension">Numbers in a value.</param>
internal sealed record TraceInfo(string Name, int Layers, int KvHeads, int QueryHeads, int Tokens, int KeyDimension, int ValueDimension)
{
    /// <summary>Describes a source.</summary>
    /// <param name="source">The source.</param>
    public static TraceInfo Of(ITraceSource source) => new(
        source.Name, source.Layers, source.KvHeads, source.QueryHeads, source.Tokens, source.KeyDimension, source.ValueDimension);
}
