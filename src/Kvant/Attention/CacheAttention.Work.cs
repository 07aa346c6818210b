using Kvant.Caching;

namespace Kvant.Attention;

// How the work of a call is cut into items that threads take in turn: [sequence, block of tokens, key-value head, range of runs].
public sealed partial class CacheAttention
{
    // Queries that a thread takes at once: enough to use each block many times, few enough that all scores stay in the second-level cache.
    private const int QueriesPerPass = 64;

    // Pages that are worth a thread of their own.
    private const int FewestPagesPerSplit = 2;

    // Items per thread where sequences differ in length, so that none waits long for the last.
    private const int ItemsPerThread = 4;

    private readonly AttentionPass[] _passes;
    private readonly Action<int> _work;
    private readonly PartialResults _partials = new();

    // The call in progress, as the workers see it.
    private SequenceStep[] _sequences = [];
    private int[] _order = [];
    private int _sequenceCount;
    private LayerGeometry _shape = null!;
    private int _layer;
    private int _blocks;
    private int _items;
    private int _next;
    private int _tokens;
    private int _firstToken;
    private bool _sinksApart;
    private float[] _queries = [];
    private float[] _sinkQueries = [];

    private static int TokensPerPass(LayerGeometry shape) => Math.Max(1, QueriesPerPass / shape.GroupSize);

    private void ExitReads(ReadOnlySpan<KvCache> caches)
    {
        foreach (KvCache cache in caches)
            cache.ExitRead();
        _sequences.AsSpan(0, _sequenceCount).Clear();
        (_sequenceCount, _chunkTokens) = (0, 0);
    }

    // Tokens of each sequence; where there are several, all of them have as many.
    private void Begin(int layer, ReadOnlySpan<KvCache> caches, int tokens)
    {
        (_layer, _shape, _tokens, _firstToken, _sinksApart) = (layer, Geometry[layer], tokens, 0, false);
        if (_sequences.Length < caches.Length)
            _sequences = new SequenceStep[caches.Length];
        _blocks = (tokens + TokensPerPass(_shape) - 1) / TokensPerPass(_shape);
        long runs = 0;
        foreach (KvCache cache in caches)
            runs += new CacheReader(cache).RunCount(layer);
        int units = _shape.KvHeads * _blocks, mostSplits = 1;
        (_sequenceCount, _items) = (caches.Length, 0);
        for (int i = 0; i < caches.Length; i++)
        {
            int own = new CacheReader(caches[i]).RunCount(layer);
            // One sequence is cut as often as there are threads without work, many so that the longest are not left for the end.
            int wanted = caches.Length == 1 ? (_team.Size + units - 1) / units
                : _team.Size == 1 ? 1 : (int)Math.Min((own * (long)_team.Size * ItemsPerThread / Math.Max(1, runs * units)) + 1, own);
            int splits = Math.Clamp(wanted, 1, Math.Max(1, own / FewestPagesPerSplit));
            _sequences[i] = new(caches[i], caches[i].LayerLength(layer) - tokens, own, splits, _items);
            mostSplits = Math.Max(mostSplits, splits);
            _items += units * splits;
        }

        _partials.Resize(caches.Length * tokens * _shape.QueryHeads, mostSplits, _shape.ValueDimension);
    }

    private void RunStep()
    {
        _next = 0;
        long pairs = 0;
        foreach (ref readonly SequenceStep sequence in _sequences.AsSpan(0, _sequenceCount))
            pairs += (long)_tokens * _shape.QueryHeads * (sequence.Position + 1 + _chunkTokens);
        _team.Run(_work, alone: pairs < FewestSharedPairs);
    }

    private void Work(int worker)
    {
        AttentionPass pass = _passes[worker];
        int sequence = 0, tokensPerPass = TokensPerPass(_shape);
        for (int item = Interlocked.Increment(ref _next) - 1; item < _items; item = Interlocked.Increment(ref _next) - 1)
        {
            // Items of a thread come in ascending order.
            while (sequence + 1 < _sequenceCount && item >= _sequences[sequence + 1].FirstItem)
                sequence++;
            ref readonly SequenceStep step = ref _sequences[sequence];
            int own = item - step.FirstItem, split = own % step.Splits, head = own / step.Splits % _shape.KvHeads, block = own / step.Splits / _shape.KvHeads;
            int first = block * tokensPerPass, tokens = Math.Min(tokensPerPass, _tokens - first);
            Fill(pass, sequence, head, first, tokens);
            AbsorbRuns(pass, step, head, split);
            if (_chunkTokens > 0)
                AbsorbChunk(pass, step, head, first, tokens);
            pass.Leave();
            for (int q = 0; q < tokens * _shape.GroupSize; q++)
            {
                int token = (sequence * _tokens) + first + (q / _shape.GroupSize), queryHead = (head * _shape.GroupSize) + (q % _shape.GroupSize);
                _partials.Store((token * _shape.QueryHeads) + queryHead, split, pass.Result(q));
            }
        }
    }

    private void Fill(AttentionPass pass, int sequence, int head, int first, int tokens)
    {
        ref readonly SequenceStep step = ref _sequences[sequence];
        int group = _shape.GroupSize, d = _shape.KeyDimension, sinks = step.Cache.Options.Sinks;
        Eviction eviction = step.Cache.LayerAt(_layer).Layout.Eviction;
        pass.Begin(_shape, SettingsOf(_layer), tokens * group, sinks);
        for (int t = 0; t < tokens; t++)
        {
            int from = ((((sequence * _tokens) + first + t) * _shape.QueryHeads) + (head * group)) * d;
            _queries.AsSpan(from, group * d).CopyTo(pass.Queries.AsSpan(t * group * d));
            if (_sinksApart)
                _sinkQueries.AsSpan(from, group * d).CopyTo(pass.SinkQueries.AsSpan(t * group * d));
            int token = _firstToken + first + t, position = step.Position + Depth(token), last = step.Position + Last(token);
            int firstLive = (int)Math.Min(eviction.FirstLive((long)position + 1, sinks), int.MaxValue);
            for (int g = 0; g < group; g++)
                pass.Place((t * group) + g, position, last, (head * group) + g, firstLive);
        }
    }

    private void AbsorbRuns(AttentionPass pass, in SequenceStep step, int head, int split)
    {
        int from = (int)((long)step.Runs * split / step.Splits), to = (int)((long)step.Runs * (split + 1) / step.Splits);
        if (from == to)
            return;
        // Under the lock of the thread that made the call.
        var reader = new CacheReader(step.Cache);
        CacheRun run = reader.Run(_layer, head, from);
        for (int i = from; i < to; i++)
        {
            CacheRun next = i + 1 < to ? reader.Run(_layer, head, i + 1) : default;
            pass.Absorb(run, _sinksApart && run.FirstPosition + run.Rows <= step.Cache.Options.Sinks, next.Keys, next.Values);
            run = next;
        }
    }
}
