using System.Numerics.Tensors;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Kernels;

namespace Kvant.Evaluation.Speed;

/// <summary>
/// One decode step over uncompressed rows, as a good program without compression does it: the baseline of every ratio. Query heads of a group
/// together, 128 tokens at a time through scores, softmax and sums, the next ones fetched ahead; kernels, softmax and threads are Kvant's own,
/// so that the only difference is what is read.
/// </summary>
internal sealed class PlainAttention
{
    private const int TileRows = 128;

    private readonly CacheGeometry _geometry;
    private readonly Codec _keys;
    private readonly Codec _values;
    private readonly LogitMap _map;
    private readonly Scratch[] _scratch;
    private readonly WorkerTeam _team;
    private readonly Action<int> _work;
    private readonly PartialResults _partials;
    private readonly float[] _queries;
    private readonly int _splits;
    private PlainRows _rows = null!;
    private int _next;

    /// <summary>Makes room for what threads work on.</summary>
    /// <param name="geometry">Heads and dimensions.</param>
    /// <param name="team">Threads that all contenders use in turn; they stay the caller's.</param>
    public PlainAttention(CacheGeometry geometry, WorkerTeam team)
    {
        _geometry = geometry;
        CodecSpec fp32 = CodecSpec.Parse("fp32");
        _keys = fp32.CreateCodec(geometry.KeyDimension, CodecRole.Keys);
        _values = fp32.CreateCodec(geometry.ValueDimension, CodecRole.Values);
        _map = new LogitMap((float)(1 / Math.Sqrt(geometry.KeyDimension)), 0, 0);
        _scratch = [.. Enumerable.Range(0, team.Size).Select(_ => new Scratch(geometry, _keys))];
        _queries = new float[geometry.QueryHeads * geometry.KeyDimension];
        _partials = new PartialResults();
        _splits = (team.Size + geometry.KvHeads - 1) / geometry.KvHeads;
        _team = team;
        _work = Work;
    }

    /// <summary>The newest token's attention over all rows.</summary>
    /// <param name="rows">Keys and values.</param>
    /// <param name="queries">[query head, key dimension].</param>
    /// <param name="outputs">Receives [query head, value dimension].</param>
    public void Decode(PlainRows rows, ReadOnlySpan<float> queries, Span<float> outputs)
    {
        _rows = rows;
        queries.CopyTo(_queries);
        _partials.Resize(_geometry.QueryHeads, _splits, _geometry.ValueDimension);
        _next = 0;
        _team.Run(_work);
        _partials.Merge(_geometry.QueryHeads, null, outputs, []);
    }

    // Threads take heads in turn, or ranges of their tokens where heads are few.
    private void Work(int worker)
    {
        Scratch s = _scratch[worker];
        int group = _geometry.GroupSize, dimension = _geometry.ValueDimension;
        for (int item = Interlocked.Increment(ref _next) - 1; item < _geometry.KvHeads * _splits; item = Interlocked.Increment(ref _next) - 1)
        {
            int head = item / _splits, split = item % _splits;
            s.Begin();
            _keys.Prepare(_queries.AsSpan(head * group * _keys.Dimension, group * _keys.Dimension), s.Prepared);
            Attend(s, head, Border(split), Border(split + 1));
            for (int q = 0; q < group; q++)
                _partials.Store((head * group) + q, split, (s.Maxima[q], s.Sums[q], s.Accumulators.AsMemory(q * dimension, dimension)));
        }
    }

    private int Border(int split) => split == _splits ? _rows.Tokens : (int)((long)_rows.Tokens * split / _splits / TileRows * TileRows);

    private void Attend(Scratch s, int head, int from, int to)
    {
        ReadOnlySpan<byte> keys = _rows.Keys(head), values = _rows.Values(head);
        int dimension = _geometry.ValueDimension;
        for (int first = from; first < to; first += TileRows)
        {
            int rows = Math.Min(TileRows, to - first), next = Math.Min(TileRows, to - first - rows);
            Span<float> scores = s.Scores.AsSpan(0, s.Maxima.Length * rows);
            _keys.Score(s.Prepared, Slice(keys, _keys, first, rows), scores, Arithmetic.Exact, Slice(keys, _keys, first + rows, next));
            Softmax.Steps(scores, _map, s.Maxima, s.Sums, s.Factors);
            for (int q = 0; q < s.Maxima.Length; q++)
            {
                if (s.Factors[q] == 1)
                    continue;
                Span<float> accumulator = s.Accumulators.AsSpan(q * dimension, dimension);
                TensorPrimitives.Multiply(accumulator, s.Factors[q], accumulator);
            }

            _values.Accumulate(scores, Slice(values, _values, first, rows), s.Accumulators, Arithmetic.Exact, Slice(values, _values, first + rows, next));
        }
    }

    private static ReadOnlySpan<byte> Slice(ReadOnlySpan<byte> rows, Codec codec, int first, int count) =>
        rows.Slice(first * codec.BytesPerBlock, count * codec.BytesPerBlock);

    private sealed class Scratch(CacheGeometry geometry, Codec keys)
    {
        public PreparedQueries Prepared { get; } = keys.CreatePreparedQueries(geometry.GroupSize);

        public float[] Scores { get; } = new float[geometry.GroupSize * TileRows];

        public float[] Accumulators { get; } = new float[geometry.GroupSize * geometry.ValueDimension];

        public float[] Maxima { get; } = new float[geometry.GroupSize];

        public float[] Sums { get; } = new float[geometry.GroupSize];

        public float[] Factors { get; } = new float[geometry.GroupSize];

        public void Begin()
        {
            Array.Fill(Maxima, float.NegativeInfinity);
            Array.Clear(Sums);
            Array.Clear(Accumulators);
        }
    }
}
