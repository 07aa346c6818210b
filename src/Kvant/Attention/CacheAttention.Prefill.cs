using System.Runtime.InteropServices;
using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Attention;

// Many tokens at once: exact among themselves, over what is cached as it decodes.
public sealed partial class CacheAttention
{
    // Tokens whose queries and results are held at once, so that a long prompt needs no memory for all of them.
    private const int TokensPerStep = 256;

    private Codec? _exactKeys;
    private Codec? _exactValues;
    private float[] _chunkKeys = [];
    private float[] _chunkValues = [];
    private int _chunkTokens;

    /// <summary>
    /// A prompt, or the next part of one: its tokens attend causally to what the layer holds and, exactly as they are given, to each
    /// other; then they are appended.
    /// </summary>
    /// <remarks>A token sees those tokens that it would see if it and all before it had been appended one by one: what the cache's eviction forgets
    /// until then is gone for it, in its own part too. Any split into parts leaves the same bytes in the cache. Outputs differ between splits
    /// by what compression loses: tokens of an earlier part are read back compressed, those of the same part are not.</remarks>
    /// <param name="cache">The cache.</param>
    /// <param name="layer">0 to layers - 1.</param>
    /// <param name="queries">[token, query head, key dimension].</param>
    /// <param name="keys">[token, key-value head, key dimension].</param>
    /// <param name="values">[token, key-value head, value dimension].</param>
    /// <param name="outputs">Receives [token, query head, value dimension].</param>
    /// <param name="logSumExp">Receives [token, query head] as in <see cref="Decode"/>; empty if it is not wanted.</param>
    /// <exception cref="ArgumentException">A length is wrong, a number is NaN or infinite, the cache has another geometry, or it refuses a row. Cache and outputs are then unchanged.</exception>
    /// <exception cref="InvalidOperationException">Another call on this object is in progress, or this thread reads the cache (<see cref="KvCache.Read{TState}"/>).</exception>
    /// <exception cref="CacheFullException">The pool's limit leaves no room. The cache is then unchanged, and outputs are unless another cache took the room meanwhile.</exception>
    public void Prefill(
        KvCache cache, int layer, ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, Span<float> outputs, Span<float> logSumExp = default)
    {
        CheckCache(cache);
        int tokens = queries.Length / (Geometry.QueryHeads * Geometry.KeyDimension);
        CheckLength(queries.Length, tokens, Geometry.QueryHeads * Geometry.KeyDimension, nameof(queries));
        CheckLength(keys.Length, tokens, Geometry.KvHeads * Geometry.KeyDimension, nameof(keys));
        CheckLength(values.Length, tokens, Geometry.KvHeads * Geometry.ValueDimension, nameof(values));
        CheckLength(outputs.Length, tokens, Geometry.QueryHeads * Geometry.ValueDimension, nameof(outputs));
        if (!logSumExp.IsEmpty)
            CheckLength(logSumExp.Length, tokens, Geometry.QueryHeads, nameof(logSumExp));
        CheckFinite(queries, nameof(queries));
        using Turn.Taken turn = _turn.Take(this);
        // Before the first output is written; Append itself comes behind the last.
        cache.RequireAppend(layer, keys, values);
        _exactKeys ??= CodecSpec.Parse("fp32").CreateCodec(Geometry.KeyDimension, CodecRole.Keys);
        _exactValues ??= CodecSpec.Parse("fp32").CreateCodec(Geometry.ValueDimension, CodecRole.Values);
        Gather(keys, tokens, Geometry.KeyDimension, ref _chunkKeys);
        Gather(values, tokens, Geometry.ValueDimension, ref _chunkValues);
        cache.EnterRead();
        try
        {
            cache.Observe(layer, cache.LayerLength(layer), queries);
            _chunkTokens = tokens;
            int length = cache.LayerLength(layer), queryFloats = Geometry.QueryHeads * Geometry.KeyDimension;
            for (int first = 0; first < tokens; first += TokensPerStep)
            {
                int count = Math.Min(TokensPerStep, tokens - first), rows = count * Geometry.QueryHeads;
                Begin(cache, layer, queries.Slice(first * queryFloats, count * queryFloats), [], count, length);
                (_firstToken, _splits, _items) = (first, 1, Geometry.KvHeads * _blocks);
                _partials.Resize(rows, 1);
                RunStep();
                Span<float> logSums = logSumExp.IsEmpty ? [] : logSumExp.Slice(first * Geometry.QueryHeads, rows);
                _partials.Merge(rows, 1, outputs.Slice(first * Geometry.QueryHeads * Geometry.ValueDimension, rows * Geometry.ValueDimension), logSums);
            }
        }
        finally
        {
            cache.ExitRead();
            (_cache, _chunkTokens) = (null, 0);
        }

        cache.Append(layer, keys, values);
    }

    // The part itself, up to the last token of the block of queries, as runs of uncompressed rows: what of it are sinks, and the rest.
    private void AbsorbChunk(AttentionPass pass, int head, int end)
    {
        int rows = Math.Min(_chunkTokens, _firstToken + end), sinks = Math.Clamp(_cache!.Options.Sinks - _position, 0, rows);
        AbsorbRows(pass, head, 0, sinks);
        AbsorbRows(pass, head, sinks, rows - sinks);
    }

    private void AbsorbRows(AttentionPass pass, int head, int first, int count)
    {
        if (count == 0)
            return;
        int keyFloats = Geometry.KeyDimension, valueFloats = Geometry.ValueDimension, row = (head * _chunkTokens) + first;
        var run = new CacheRun
        {
            KeyCodec = _exactKeys!,
            ValueCodec = _exactValues!,
            Keys = MemoryMarshal.AsBytes(_chunkKeys.AsSpan(row * keyFloats, count * keyFloats)),
            Values = MemoryMarshal.AsBytes(_chunkValues.AsSpan(row * valueFloats, count * valueFloats)),
            FirstPosition = _position + first,
            FirstRow = 0, // fp32
            Rows = count,
            Dead = 0,
        };
        pass.Absorb(run, false, [], []);
    }

    // [token, head, number] to [head, token, number].
    private void Gather(ReadOnlySpan<float> rows, int tokens, int dimension, ref float[] byHead)
    {
        if (byHead.Length < rows.Length)
            byHead = new float[rows.Length];
        for (int token = 0; token < tokens; token++)
        {
            for (int head = 0; head < Geometry.KvHeads; head++)
                rows.Slice(((token * Geometry.KvHeads) + head) * dimension, dimension).CopyTo(byHead.AsSpan(((head * tokens) + token) * dimension, dimension));
        }
    }
}
