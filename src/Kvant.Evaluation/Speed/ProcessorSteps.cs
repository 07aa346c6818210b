using Kvant.Attention;
using Kvant.Caching;

namespace Kvant.Evaluation.Speed;

/// <summary>Steps on the processor.</summary>
internal sealed class ProcessorSteps(CacheGeometry geometry, AttentionSettings settings, WorkerTeam team) : IAttentionSteps
{
    private readonly CacheAttention _attention = new(geometry, settings, team);

    /// <inheritdoc/>
    public void Decode(KvCache cache, ReadOnlySpan<float> queries, Span<float> outputs) => _attention.Decode(cache, 0, queries, outputs);

    /// <inheritdoc/>
    public void Forget()
    {
    }

    /// <inheritdoc/>
    public void Dispose() => _attention.Dispose();
}
