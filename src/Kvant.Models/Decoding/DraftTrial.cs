using Kvant.Caching;

namespace Kvant.Models.Decoding;

/// <summary>
/// Tokens of which some may be refused: they go to a fork of a cache, and those that stay are then appended to the cache itself, one by one. So the cache never holds
/// a token that was refused, and has the same bytes as if there had been no trial: no block is closed early, opened again or forgotten, whatever its codecs, windows and evictions are.
/// </summary>
/// <remarks>Both share their pages; a trial costs a copy of the window, and what of a block is not encoded yet when one of its tokens lets it go.</remarks>
/// <param name="cache">The cache; it stays the caller's.</param>
internal sealed class DraftTrial(KvCache cache)
{
    private readonly Rows[] _layers = [.. Enumerable.Range(0, cache.Geometry.Layers).Select(static _ => new Rows())];

    /// <summary>Where tokens go while they are on trial; null otherwise.</summary>
    public KvCache? Fork { get; private set; }

    /// <summary>Begins: what comes now may be refused.</summary>
    public void Begin() => Fork = cache.ForkOff(codesAhead: false);

    /// <summary>Notes what a layer of the fork was given.</summary>
    public void Note(int layer, ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, int tokens)
    {
        if (Fork is not null) _layers[layer].Set(queries, keys, values, tokens);
    }

    /// <summary>Ends: the first tokens stay, the others never were. Nothing happens where no trial began.</summary>
    /// <param name="tokens">How many stay; 0 where the trial failed in its middle.</param>
    /// <exception cref="CacheFullException">The pool's limit leaves no room, since another cache took it meanwhile; a step ended in its middle.</exception>
    public void Keep(int tokens)
    {
        if (Fork is null) return;
        // First, so that the cache has its pages for itself again and need not copy them.
        Fork.Dispose();
        Fork = null;
        int position = cache.Length;
        for (int token = 0; token < tokens; token++)
        {
            for (int layer = 0; layer < _layers.Length; layer++)
            {
                Rows rows = _layers[layer];
                cache.Append(layer, rows.Keys(token), rows.Values(token));
                // As attention over the cache itself would have shown it, for codecs that learn from queries.
                cache.ObserveQueries(layer, position + token, rows.Queries(token));
            }
        }
    }

    private sealed class Rows
    {
        private float[] _queries = [], _keys = [], _values = [];
        private int _queryFloats, _keyFloats, _valueFloats;

        public void Set(ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, int tokens)
        {
            (_queryFloats, _keyFloats, _valueFloats) = (queries.Length / tokens, keys.Length / tokens, values.Length / tokens);
            Copy(queries, ref _queries);
            Copy(keys, ref _keys);
            Copy(values, ref _values);
        }

        public ReadOnlySpan<float> Queries(int token) => _queries.AsSpan(token * _queryFloats, _queryFloats);

        public ReadOnlySpan<float> Keys(int token) => _keys.AsSpan(token * _keyFloats, _keyFloats);

        public ReadOnlySpan<float> Values(int token) => _values.AsSpan(token * _valueFloats, _valueFloats);

        private static void Copy(ReadOnlySpan<float> from, ref float[] to)
        {
            if (to.Length < from.Length) to = new float[from.Length];
            from.CopyTo(to);
        }
    }
}
