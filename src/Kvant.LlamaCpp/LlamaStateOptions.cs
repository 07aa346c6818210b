using Kvant.Caching;

namespace Kvant.LlamaCpp;

/// <summary>How a state of llama.cpp is compressed.</summary>
public sealed record LlamaStateOptions
{
    private readonly int _threads = Environment.ProcessorCount;

    /// <summary>The codecs of the layers, in the order of the state: one entry for all, or as many as it has layers in all its caches. The preset <c>balanced</c> unless said.</summary>
    public IReadOnlyList<LayerSpecs> Policy { get; init; } = CachePreset.Default.ForLayers(1);

    /// <summary>Tokens at the beginning of each stretch that are not compressed; 4 unless said.</summary>
    public int Sinks { get; init; } = 4;

    /// <summary>Tokens at its end that are not compressed; 64 unless said.</summary>
    public int Window { get; init; } = 64;

    /// <summary>The shape of the model's cache: heads, dimensions and how positions turn keys. Null where nobody knows: a state has the width of a row alone, which is then taken for heads of
    /// 128 or 64 numbers where it divides so, without positions. Only how well it compresses depends on it.</summary>
    public CacheGeometry? Geometry { get; init; }

    /// <summary>What the state belongs to; a reader can ask for it. Null where nobody knows.</summary>
    public CacheIdentity? Identity { get; init; }

    /// <summary>The tokens of the state; null for those that it has itself.</summary>
    public IReadOnlyList<int>? Tokens { get; init; }

    /// <summary>Threads that encode, at least 1; as many as there are processors unless said.</summary>
    public int Threads
    {
        get => _threads;
        init
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            _threads = value;
        }
    }
}
