using Kvant.Caching;

namespace Kvant.Attention;

// Scores alone, for callers that look at attention instead of using it.
public sealed partial class CacheAttention
{
    /// <summary>The logits that the newest token's attention takes its softmax of: scaled, capped and biased scores.</summary>
    /// <param name="cache">The cache.</param>
    /// <param name="layer">0 to layers - 1.</param>
    /// <param name="queries">[query head, key dimension].</param>
    /// <param name="logits">Receives [query head, token] for the tokens and in the order of <see cref="KvCache.CopyPositions"/>; minus infinity
    /// where a head does not see a token.</param>
    /// <exception cref="ArgumentException">A length is wrong, a number of a query is NaN or infinite, or the cache has another geometry.</exception>
    /// <exception cref="InvalidOperationException">Another call on this object is in progress.</exception>
    public void Logits(KvCache cache, int layer, TokenRows queries, Span<float> logits)
    {
        CheckCache(cache);
        LayerGeometry shape = Geometry[layer];
        AttentionArguments.RequireTokens(queries.Count(shape.QueryHeads, shape.KeyDimension, nameof(queries)), 1, nameof(queries));
        int width = shape.QueryHeads * shape.KeyDimension;
        using Turn.Taken turn = _turn.Take(this);
        AttentionArguments.RequireFinite(KeepQueries(queries, 0, 1, width), shape.KeyDimension, nameof(queries));
        ReadOnlySpan<KvCache> caches = [cache];
        ReadLocks.Enter(caches, ref _order);
        try
        {
            int tokens = cache.LiveTokens(layer), group = shape.GroupSize;
            AttentionArguments.RequireLength(logits.Length, shape.QueryHeads, tokens, nameof(logits));
            Begin(layer, caches, tokens: 1);
            int sinks = Math.Min(cache.Options.Sinks, cache.LayerLength(layer)), firstLive = cache.FirstLive(layer);
            for (int head = 0; head < shape.KvHeads; head++)
            {
                Fill(_passes[0], 0, head, 0, 1);
                for (int i = 0; i < _sequences[0].Runs; i++)
                {
                    CacheRun run = new CacheReader(cache).Run(layer, head, i);
                    int position = run.FirstPosition + run.Dead;
                    int column = position < sinks ? position : sinks + position - Math.Max(sinks, firstLive);
                    _passes[0].Logits(run, false, logits[((head * group * tokens) + column)..], tokens);
                }
            }
        }
        finally
        {
            ExitReads(caches);
        }
    }
}
