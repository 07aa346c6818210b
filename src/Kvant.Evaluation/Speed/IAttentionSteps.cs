using Kvant.Caching;

namespace Kvant.Evaluation.Speed;

/// <summary>What does the steps that are timed, where it is not <see cref="Attention.CacheAttention"/>: a device.</summary>
internal interface IAttentionSteps : IDisposable
{
    /// <summary>The newest token attends to all that the only layer of a cache holds.</summary>
    void Decode(KvCache cache, ReadOnlySpan<float> queries, Span<float> outputs);

    /// <summary>The caches that came are about to go.</summary>
    void Forget();
}
