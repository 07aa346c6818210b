using System.Numerics.Tensors;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Kernels;
using Kvant.Memory;

namespace Kvant.Attention;

/// <summary>
/// The work of one thread: some queries of one key-value head against runs of rows, one after the other. What it keeps between runs, a
/// maximum, a sum and an accumulator per query, can be merged with that of another pass over other runs.
/// </summary>
/// <remarks>Runs may be in different bases: sums are taken in the basis of the codes and leave it when the codec changes.</remarks>
internal sealed class AttentionPass
{
    /// <summary>Rows that go through scores, softmax and sums together, so that all of it stays in the first-level cache.</summary>
    public const int TileRows = 128;

    private readonly float[] _scores;
    private readonly float[] _inBasis;
    private readonly float[] _finished;
    private readonly float[] _accumulators;
    private readonly float[] _maxima;
    private readonly float[] _sums;
    private readonly float[] _factors;
    private readonly float[] _slopes;
    private readonly int[] _positions;
    private readonly int[] _lasts;
    private readonly int[] _firstLive;
    private readonly List<PreparedQueries> _prepared = []; // one per length
    private PreparedQueries? _current;
    private Codec? _keyCodec;
    private Codec? _valueCodec;
    private AttentionSettings _settings = null!;
    private LogitMap _map;
    private int _valueDimension; // numbers of a value
    private int _width; // numbers of an accumulator: those of a key, where values are part of keys
    private int _window;
    private int _count;
    private int _group; // queries of a token: they see the same
    private int _sinks;

    /// <summary>A pass over at most so many queries at once, of any layer.</summary>
    /// <param name="capacity">Queries.</param>
    /// <param name="keyDimension">The most numbers of a key.</param>
    /// <param name="width">The most numbers of an accumulator.</param>
    public AttentionPass(int capacity, int keyDimension, int width)
    {
        Capacity = capacity;
        Queries = new float[capacity * keyDimension];
        SinkQueries = new float[capacity * keyDimension];
        _scores = new float[capacity * TileRows];
        _inBasis = new float[capacity * width];
        _finished = new float[capacity * width];
        _accumulators = new float[capacity * width];
        (_maxima, _sums, _factors, _slopes) = (new float[capacity], new float[capacity], new float[capacity], new float[capacity]);
        (_positions, _lasts, _firstLive) = (new int[capacity], new int[capacity], new int[capacity]);
    }

    /// <summary>Queries that fit.</summary>
    public int Capacity { get; }

    /// <summary>[query, key dimension]: the queries of the pass.</summary>
    public float[] Queries { get; }

    /// <summary>The same for the sinks, if they are asked with queries of their own.</summary>
    public float[] SinkQueries { get; }

    /// <summary>Begins anew.</summary>
    /// <param name="shape">The shape of the layer.</param>
    /// <param name="settings">How it attends.</param>
    /// <param name="count">Queries, of which <see cref="Queries"/> holds the numbers: groups that share a key-value head, token by token.</param>
    /// <param name="sinks">Tokens at the beginning that no eviction takes away. A run has sinks or other tokens, never both.</param>
    public void Begin(LayerGeometry shape, AttentionSettings settings, int count, int sinks)
    {
        (_settings, _count, _group, _sinks, _window) = (settings, count, shape.GroupSize, sinks, shape.SlidingWindow);
        (_valueDimension, _width) = (shape.ValueDimension, shape.ValuesInKeys ? shape.KeyDimension : shape.ValueDimension);
        _map = new LogitMap((settings.Scale ?? (float)(1 / Math.Sqrt(shape.KeyDimension))) / settings.Temperature, settings.SoftCap, 0);
        Used(_inBasis).Clear();
        Used(_accumulators).Clear();
        _maxima.AsSpan(0, count).Fill(float.NegativeInfinity);
        _sums.AsSpan(0, count).Clear();
        (_keyCodec, _valueCodec, _current) = (null, null, null);
    }

    /// <summary>Says where a query stands.</summary>
    /// <param name="query">Its index.</param>
    /// <param name="position">Its position.</param>
    /// <param name="last">The last position that it sees: its own, but in parts that are not causal.</param>
    /// <param name="head">Its query head.</param>
    /// <param name="firstLive">The first token beside the sinks that it sees: those before were evicted when its token came.</param>
    public void Place(int query, int position, int last, int head, int firstLive)
    {
        (_positions[query], _lasts[query], _firstLive[query]) = (position, last, firstLive);
        _slopes[query] = _settings.Slopes is { } slopes ? slopes[head] * Softmax.Log2E : 0;
    }

    /// <summary>Takes queries into the basis of a codec; the same codec with the same queries costs nothing.</summary>
    public void Use(Codec keys, Codec values, bool sinks)
    {
        if (_valueCodec != values)
            Leave();
        _valueCodec = values;
        if (_keyCodec == keys)
            return;
        _keyCodec = sinks ? null : keys; // the next run asks with other queries; sinks come before all others
        _current = Buffer(keys.PreparedLength);
        keys.Prepare((sinks ? SinkQueries : Queries).AsSpan(0, _count * keys.Dimension), _current);
    }

    /// <summary>Attends to a run of rows.</summary>
    /// <param name="run">The rows, whole blocks.</param>
    /// <param name="sinks">Whether they are asked with the queries for sinks.</param>
    /// <param name="nextKeys">Key blocks that come next, or empty.</param>
    /// <param name="nextValues">Value blocks that come next, or empty.</param>
    public void Absorb(in CacheRun run, bool sinks, ReadOnlySpan<byte> nextKeys, ReadOnlySpan<byte> nextValues)
    {
        Use(run.KeyCodec, run.ValueCodec, sinks);
        for (int row = 0; row < run.Rows; row += TileRows)
        {
            int rows = Math.Min(TileRows, run.Rows - row);
            Sight sight = Look(run.FirstPosition + row, rows, run.Dead - row);
            if (sight == Sight.Nothing)
                continue;
            ReadOnlySpan<byte> keys = Blocks(run.KeyCodec, run.Keys, row, rows), values = Blocks(run.ValueCodec, run.Values, row, rows);
            Span<float> scores = _scores.AsSpan(0, _count * rows);
            run.KeyCodec.Score(_current!, keys, scores, _settings.Arithmetic, nextKeys, run.FirstRow + row);
            if (sight == Sight.Everything && _settings.Slopes is null)
                Softmax.Steps(scores, _map, _maxima.AsSpan(0, _count), _sums.AsSpan(0, _count), _factors.AsSpan(0, _count));
            else
                WeighParts(scores, rows, run.FirstPosition + row, run.Dead - row);
            Rescale();
            run.ValueCodec.Accumulate(scores, values, Used(_inBasis), _settings.Arithmetic, nextValues, run.FirstRow + row);
        }
    }

    /// <summary>Attends to the uncompressed rows of a tree: each query to its own token and that token's ancestors.</summary>
    /// <param name="run">Its tokens, from the first on; those of the queries are in it.</param>
    /// <param name="parents">Per token its parent; -1 for none.</param>
    /// <param name="depths">Per token how many ancestors it has.</param>
    /// <param name="first">The token of the first query; its group of queries has it too, then comes the next token.</param>
    public void AbsorbTree(in CacheRun run, ReadOnlySpan<int> parents, ReadOnlySpan<int> depths, int first)
    {
        Use(run.KeyCodec, run.ValueCodec, false);
        using var scratch = new AlignedScratch(TileRows);
        for (int row = 0; row < run.Rows; row += TileRows)
        {
            int rows = Math.Min(TileRows, run.Rows - row);
            Span<float> scores = _scores.AsSpan(0, _count * rows);
            run.KeyCodec.Score(_current!, Blocks(run.KeyCodec, run.Keys, row, rows), scores, _settings.Arithmetic);
            int group = _count / (run.Rows - first); // the run ends with the last query's token
            for (int q = 0; q < _count; q++)
                WeighAncestors(q, first + (q / group), parents, depths, row, scores.Slice(q * rows, rows), scratch.Floats);
            Rescale();
            run.ValueCodec.Accumulate(scores, Blocks(run.ValueCodec, run.Values, row, rows), Used(_inBasis), _settings.Arithmetic);
        }
    }

    /// <summary>The logits of a run of rows alone: [query, row], minus infinity where a query does not see.</summary>
    public void Logits(in CacheRun run, bool sinks, Span<float> logits, int stride)
    {
        Use(run.KeyCodec, run.ValueCodec, sinks);
        for (int row = 0; row < run.Rows; row += TileRows)
        {
            int rows = Math.Min(TileRows, run.Rows - row);
            Span<float> scores = _scores.AsSpan(0, _count * rows);
            run.KeyCodec.Score(_current!, Blocks(run.KeyCodec, run.Keys, row, rows), scores, _settings.Arithmetic, firstRow: run.FirstRow + row);
            for (int q = 0; q < _count; q++)
            {
                Span<float> part = scores.Slice(q * rows, rows);
                (int first, int end) = Range(q, run.FirstPosition + row, rows, run.Dead - row);
                part[..first].Fill(float.NegativeInfinity);
                part[end..].Fill(float.NegativeInfinity);
                if (first < end)
                {
                    ToLogits(part[first..end], q, run.FirstPosition + row + first);
                    TensorPrimitives.Divide(part[first..end], Softmax.Log2E, part[first..end]);
                }

                int dead = Math.Max(0, Math.Min(rows, run.Dead - row));
                part[dead..].CopyTo(logits[((q * stride) + row + dead - Math.Max(0, run.Dead))..]);
            }
        }
    }

    /// <summary>Ends the pass: all sums are in the caller's basis from here on.</summary>
    public void Leave()
    {
        if (_valueCodec is null)
            return;
        _valueCodec.Finish(Used(_inBasis), Used(_finished));
        TensorPrimitives.Add(Used(_accumulators), Used(_finished), Used(_accumulators));
        Used(_inBasis).Clear();
        _valueCodec = null;
    }

    /// <summary>Hands out what the pass found for a query, after <see cref="Leave"/>.</summary>
    /// <param name="query">Its index.</param>
    /// <returns>Maximum of its logits in units of log2, sum of its weights relative to that, weighted sum of values.</returns>
    public (float Maximum, float Sum, ReadOnlyMemory<float> Values) Result(int query) =>
        (_maxima[query], _sums[query], _accumulators.AsMemory(query * _width, _valueDimension));

    private static ReadOnlySpan<byte> Blocks(Codec codec, ReadOnlySpan<byte> all, int row, int rows) =>
        all.Slice(row / codec.RowsPerBlock * codec.BytesPerBlock, rows / codec.RowsPerBlock * codec.BytesPerBlock);

    // Scores become weights in place, none where a query does not see.
    private void WeighParts(Span<float> scores, int rows, int position, int dead)
    {
        for (int q = 0; q < _count; q++)
        {
            Span<float> part = scores.Slice(q * rows, rows);
            (int first, int end) = Range(q, position, rows, dead);
            part[..first].Clear();
            part[end..].Clear();
            float slope = _slopes[q], bias = slope * (position + first - _positions[q]);
            _factors[q] = first >= end ? 1
                : Softmax.Step(part[first..end], slope == 0 ? _map : _map with { BiasStep = slope }, bias, ref _maxima[q], ref _sums[q]);
        }
    }

    // The scores of those that it sees, side by side, become weights and go back to their places; the others have none.
    private void WeighAncestors(int query, int token, ReadOnlySpan<int> parents, ReadOnlySpan<int> depths, int firstRow, Span<float> scores, Span<float> seen)
    {
        int count = 0, root = _positions[query] - depths[token];
        for (int at = token; at >= firstRow; at = parents[at])
        {
            if (at < firstRow + scores.Length && Sees(query, root + depths[at]))
                seen[count++] = scores[at - firstRow];
        }

        _factors[query] = count == 0 ? 1 : Softmax.Step(seen[..count], _map, 0, ref _maxima[query], ref _sums[query]);
        scores.Clear();
        count = 0;
        for (int at = token; at >= firstRow; at = parents[at])
        {
            if (at < firstRow + scores.Length && Sees(query, root + depths[at]))
                scores[at - firstRow] = seen[count++];
        }
    }

    // What was found before is scaled down where a larger logit appeared.
    private void Rescale()
    {
        for (int q = 0; q < _count; q++)
        {
            if (_factors[q] == 1)
                continue;
            Span<float> inBasis = _inBasis.AsSpan(q * _width, _width), left = _accumulators.AsSpan(q * _width, _width);
            TensorPrimitives.Multiply(inBasis, _factors[q], inBasis);
            TensorPrimitives.Multiply(left, _factors[q], left);
        }
    }

    private float ToLogits(Span<float> scores, int query, int position)
    {
        float slope = _slopes[query];
        return Softmax.ToLogits(scores, slope == 0 ? _map : _map with { BiasStep = slope }, slope * (position - _positions[query]));
    }

    private bool Sees(int query, int position) => Range(query, position, rows: 1, dead: 0) == (0, 1);

    // The rows of a run that a query sees: living, not in its future, not behind its window.
    private (int First, int End) Range(int query, int position, int rows, int dead)
    {
        int at = _positions[query];
        int first = position < _sinks ? dead : Math.Max(dead, _firstLive[query] - position);
        if (_window > 0 && at - position >= _window)
            first = Math.Max(first, at - position - _window + 1);
        first = Math.Clamp(first, 0, rows);
        return (first, Math.Clamp(_lasts[query] + 1 - position, first, rows));
    }

    private Sight Look(int position, int rows, int dead)
    {
        bool some = false, all = true;
        for (int q = 0; q < _count; q += _group)
        {
            (int first, int end) = Range(q, position, rows, dead);
            some |= first < end;
            all &= first == 0 && end == rows;
        }

        return all ? Sight.Everything : some ? Sight.Parts : Sight.Nothing;
    }

    private Span<float> Used(float[] accumulators) => accumulators.AsSpan(0, _count * _width);

    private PreparedQueries Buffer(int length)
    {
        foreach (PreparedQueries known in _prepared)
        {
            if (known.Length == length)
                return known;
        }

        // Once per kind of codec that this thread meets.
        var made = new PreparedQueries(Capacity, length);
        _prepared.Add(made);
        return made;
    }

    // How much of a run the queries of the pass see.
    private enum Sight
    {
        Nothing,
        Parts,
        Everything,
    }
}
