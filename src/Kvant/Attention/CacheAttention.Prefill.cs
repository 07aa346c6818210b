using System.Runtime.InteropServices;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Memory;

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
    /// <param name="keys">[token, key-value head, key dimension]. In a layer that shares another's keys, those that were appended to that one.</param>
    /// <param name="values">[token, key-value head, value dimension]; empty where values are part of keys.</param>
    /// <param name="outputs">Receives [token, query head, value dimension].</param>
    /// <param name="logSumExp">Receives [token, query head] as in <see cref="Decode(KvCache, int, TokenRows, Span{float}, Span{float}, TokenRows)"/>; empty if it is not wanted.</param>
    /// <param name="mask">Which tokens of the part see each other; causal unless said.</param>
    /// <param name="append">False to leave the cache as it is: for drafts of which some will be refused (append the rest afterwards), and always for a tree, which is no sequence,
    /// and for a layer that shares another's keys, before they are appended to that one.</param>
    /// <exception cref="ArgumentException">A length is wrong, a number is NaN or infinite, the cache has another geometry, it refuses a row, or the mask does not fit. Cache and outputs are then unchanged.</exception>
    /// <exception cref="InvalidOperationException">Another call on this object is in progress, or this thread reads the cache (<see cref="KvCache.Read{TState}"/>).</exception>
    /// <exception cref="CacheFullException">The pool's limit leaves no room. The cache is then unchanged, and outputs are unless another cache took the room meanwhile.</exception>
    public void Prefill(
        KvCache cache,
        int layer,
        TokenRows queries,
        TokenRows keys,
        TokenRows values,
        Span<float> outputs,
        Span<float> logSumExp = default,
        ChunkMask mask = default,
        bool append = true)
    {
        CheckCache(cache);
        LayerGeometry shape = Geometry[layer];
        int tokens = AttentionArguments.RequirePrompt(shape, queries, keys, values, outputs.Length, logSumExp.Length), queryFloats = shape.QueryHeads * shape.KeyDimension;
        RequireMask(mask, tokens, layer, append);
        using Turn.Taken turn = _turn.Take(this);
        // All of them, before anything changes; then again piece by piece.
        for (int first = 0; first < tokens; first += TokensPerStep)
            AttentionArguments.RequireFinite(KeepQueries(queries, first, Math.Min(TokensPerStep, tokens - first), queryFloats), shape.KeyDimension, nameof(queries));
        // Before the first output is written; Append itself comes behind the last.
        if (append)
            cache.RequireAppend(layer, keys, values);
        GatherByHead(keys, tokens, shape.KvHeads, shape.KeyDimension, ref _chunkKeys, nameof(keys));
        if (!shape.ValuesInKeys)
            GatherByHead(values, tokens, shape.KvHeads, shape.ValueDimension, ref _chunkValues, nameof(values));
        KeepMask(mask);
        _exactKeys = Exact(_exactKeys, shape.KeyDimension);
        _exactValues = Exact(_exactValues, shape.ValuesInKeys ? shape.KeyDimension : shape.ValueDimension);
        ReadOnlySpan<KvCache> caches = [cache];
        ReadLocks.Enter(caches, ref _order);
        try
        {
            int position = cache.LayerLength(layer);
            for (int first = 0; first < tokens; first += TokensPerStep)
            {
                int count = Math.Min(TokensPerStep, tokens - first), rows = count * shape.QueryHeads;
                Begin(layer, caches, count);
                _chunkTokens = tokens;
                // The part is read by each block of queries, so that ranges of runs would not share it.
                (_firstToken, _items, _sequences[0]) = (first, shape.KvHeads * _blocks, _sequences[0] with { Position = position, Splits = 1 });
                ReadOnlySpan<float> piece = KeepQueries(queries, first, count, queryFloats);
                if (append)
                    cache.Observe(layer, position + first, piece);
                _partials.Resize(rows, 1, shape.ValueDimension);
                RunStep();
                Span<float> logSums = logSumExp.IsEmpty ? [] : logSumExp.Slice(first * shape.QueryHeads, rows);
                _partials.Merge(rows, SettingsOf(layer).SinkLogits, outputs.Slice(first * shape.QueryHeads * shape.ValueDimension, rows * shape.ValueDimension), logSums);
            }
        }
        finally
        {
            ExitReads(caches);
            ForgetMask();
        }

        if (append)
            cache.Append(layer, keys, values, _team);
    }

    private static Codec Exact(Codec? known, int dimension) =>
        known?.Dimension == dimension ? known : CodecSpec.Parse("fp32").CreateCodec(dimension, CodecRole.Rows);

    private ReadOnlySpan<float> KeepQueries(TokenRows queries, int first, int count, int width)
    {
        Grow(ref _queries, count * width);
        queries.CopyTo(first, count, width, _queries);
        return _queries.AsSpan(0, count * width);
    }

    // [token, head, number] to [head, token, number].
    private static void GatherByHead(TokenRows rows, int tokens, int heads, int dimension, ref float[] byHead, string name)
    {
        int width = heads * dimension;
        Grow(ref byHead, tokens * width);
        using var scratch = new AlignedScratch(width);
        for (int token = 0; token < tokens; token++)
        {
            ReadOnlySpan<float> numbers = rows.Token(token, width, scratch.Floats);
            AttentionArguments.RequireFinite(numbers, dimension, name);
            for (int head = 0; head < heads; head++)
                numbers.Slice(head * dimension, dimension).CopyTo(byHead.AsSpan(((head * tokens) + token) * dimension, dimension));
        }
    }

    // The part itself, up to the last token that the block of queries sees, as runs of uncompressed rows: what of it are sinks, and the rest.
    private void AbsorbChunk(AttentionPass pass, in SequenceStep step, int head, int first, int tokens)
    {
        int from = _firstToken + first, rows = from + tokens;
        if (_maskKind == MaskKind.Tree)
        {
            pass.AbsorbTree(ChunkRows(step, head, 0, rows), _mask, _depths, from);
            return;
        }

        for (int token = from; token < from + tokens; token++)
            rows = Math.Max(rows, Last(token) + 1);
        int sinks = Math.Clamp(step.Cache.Options.Sinks - step.Position, 0, rows);
        if (sinks > 0)
            pass.Absorb(ChunkRows(step, head, 0, sinks), false, [], []);
        if (rows > sinks)
            pass.Absorb(ChunkRows(step, head, sinks, rows - sinks), false, [], []);
    }

    private CacheRun ChunkRows(in SequenceStep step, int head, int first, int count)
    {
        int k = _shape.KeyDimension, v = _shape.ValuesInKeys ? k : _shape.ValueDimension, row = (head * _chunkTokens) + first;
        return new CacheRun
        {
            KeyCodec = _exactKeys!,
            ValueCodec = _exactValues!,
            Keys = MemoryMarshal.AsBytes(_chunkKeys.AsSpan(row * k, count * k)),
            Values = MemoryMarshal.AsBytes((_shape.ValuesInKeys ? _chunkKeys : _chunkValues).AsSpan(row * v, count * v)),
            FirstPosition = step.Position + first,
            FirstRow = 0, // fp32
            Rows = count,
            Dead = 0,
        };
    }
}
