using System.Numerics.Tensors;
using Kvant.Attention;
using Kvant.Codecs;

namespace Kvant.Search;

// Every query meets every vector, piece by piece.
public sealed partial class VectorIndex
{
    private SearchPass? _spare; // of the last call, for the next

    /// <summary>The inner product of every query with every vector.</summary>
    /// <param name="queries">Any number, <see cref="Dimension"/> floats each.</param>
    /// <param name="scores">Receives [query, vector], exactly as many.</param>
    /// <param name="team">Threads that share the work; the calling one alone unless said.</param>
    /// <exception cref="ArgumentException">A length is wrong, or a number is NaN or infinite. Scores are then unchanged.</exception>
    /// <exception cref="ObjectDisposedException">The index was disposed.</exception>
    public void Score(ReadOnlySpan<float> queries, Memory<float> scores, WorkerTeam? team = null)
    {
        RequireFinite(queries);
        int count = Vectors(queries, nameof(queries));
        EnterRead();
        try
        {
            int vectors = _encoded + _waitingCount;
            if (scores.Length != (long)count * vectors)
                throw new ArgumentException($"The length is {scores.Length}; it must be {(long)count * vectors}, {count} queries times {vectors} vectors.", nameof(scores));
            if (scores.Length > 0)
                Pass(queries, count, 0, team, [], scores);
        }
        finally
        {
            _lock.ExitReadLock();
        }
    }

    /// <summary>The vectors with the largest inner products.</summary>
    /// <param name="queries">Any number, <see cref="Dimension"/> floats each.</param>
    /// <param name="best">Receives [query, rank]: as many of each query as there is room for, the best first; of equal scores the earlier vector. Where the index
    /// has fewer vectors, or scores that are no numbers, the last places get the index -1.</param>
    /// <param name="team">Threads that share the work; the calling one alone unless said.</param>
    /// <exception cref="ArgumentException">A length is wrong, or a number is NaN or infinite. The results are then unchanged.</exception>
    /// <exception cref="ObjectDisposedException">The index was disposed.</exception>
    public void Search(ReadOnlySpan<float> queries, Span<ScoredVector> best, WorkerTeam? team = null)
    {
        RequireFinite(queries);
        int count = Vectors(queries, nameof(queries));
        if (count == 0 ? best.Length > 0 : best.Length % count != 0)
            throw new ArgumentException($"There is room for {best.Length} results; it must be a multiple of {count}, the queries.", nameof(best));
        if (best.IsEmpty)
            return;
        EnterRead();
        try
        {
            Pass(queries, count, best.Length / count, team, best, default);
        }
        finally
        {
            _lock.ExitReadLock();
        }
    }

    /// <summary>The vectors with the largest inner products with one query.</summary>
    /// <param name="query"><see cref="Dimension"/> floats.</param>
    /// <param name="count">How many are wanted, at least 0.</param>
    /// <param name="team">Threads that share the work; the calling one alone unless said.</param>
    /// <returns>The best first; fewer where the index has fewer.</returns>
    /// <exception cref="ArgumentException">The length is wrong, or a number is NaN or infinite.</exception>
    /// <exception cref="ObjectDisposedException">The index was disposed.</exception>
    public ScoredVector[] Search(ReadOnlySpan<float> query, int count, WorkerTeam? team = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (query.Length != Dimension)
            throw new ArgumentException($"The length is {query.Length}; it must be {Dimension}.", nameof(query));
        var best = new ScoredVector[Math.Min(count, Count)];
        Search(query, best, team);
        int found = best.Length;
        while (found > 0 && best[found - 1].Index < 0)
            found--;
        return best[..found];
    }

    private void Pass(ReadOnlySpan<float> queries, int count, int wanted, WorkerTeam? team, Span<ScoredVector> best, Memory<float> scores)
    {
        SearchPass pass = Interlocked.Exchange(ref _spare, null) ?? new SearchPass(this);
        pass.Begin(team?.Size ?? 1, wanted, PieceRows, _codec);
        for (int first = 0; first < count; first += SearchPass.MostQueries)
        {
            int some = Math.Min(SearchPass.MostQueries, count - first);
            pass.Run(queries.Slice(first * Dimension, some * Dimension), scores.Length == 0 ? default : scores.Slice(scores.Length / count * first, scores.Length / count * some), team);
            if (wanted > 0)
                pass.CopyTo(best.Slice(first * wanted, some * wanted));
        }

        _spare = pass;
    }

    private void RequireFinite(ReadOnlySpan<float> queries)
    {
        if (!Kernels.Finiteness.All(queries))
            throw new ArgumentException($"Query {Kernels.Finiteness.FirstBad(queries) / Dimension} has numbers that are NaN or infinite; queries must be finite.", nameof(queries));
    }

    // Those of a call, and what its threads work with.
    private sealed class SearchPass
    {
        // Each tile is unpacked once for four queries; the scores of so many stay in the second-level cache with the piece.
        public const int MostQueries = 8;

        private readonly VectorIndex _index;
        private readonly Action<int> _work;
        private PreparedQueries? _prepared;
        private float[] _queries = [];
        private readonly List<float[]> _pieceScores = []; // per worker
        private readonly List<TopScores[]> _best = [];
        private Codec _codec = null!;
        private Memory<float> _scores;
        private int _wanted;
        private int _workers;
        private int _count;
        private int _next;

        public SearchPass(VectorIndex index) => (_index, _work) = (index, Work);

        public void Begin(int workers, int wanted, int pieceRows, Codec codec)
        {
            if (_prepared?.Length != codec.PreparedLength)
                _prepared = codec.CreatePreparedQueries(MostQueries);
            (_workers, _wanted, _codec) = (workers, wanted, codec);
            // The rows that wait may be more than a piece has.
            int floats = MostQueries * Math.Max(pieceRows, _index._waitingCount);
            for (int worker = 0; worker < workers; worker++)
            {
                if (worker == _best.Count)
                {
                    _best.Add([.. Enumerable.Range(0, MostQueries).Select(static _ => new TopScores())]);
                    _pieceScores.Add([]);
                }

                if (_pieceScores[worker].Length < floats)
                    _pieceScores[worker] = GC.AllocateUninitializedArray<float>(floats);
            }
        }

        public void Run(ReadOnlySpan<float> queries, Memory<float> scores, WorkerTeam? team)
        {
            (_scores, _count, _next) = (scores, queries.Length / _codec.Dimension, 0);
            if (_index._encoded > 0)
                _codec.Prepare(queries, _prepared!);
            if (_queries.Length < queries.Length)
                _queries = new float[MostQueries * _codec.Dimension];
            queries.CopyTo(_queries);
            for (int worker = 0; worker < _workers; worker++)
            {
                for (int q = 0; q < _count; q++)
                    _best[worker][q].Clear(_wanted);
            }

            if (team is null)
                Work(0);
            else
                team.Run(_work, alone: _index._encoded <= _index.PieceRows);
            _scores = default;
        }

        public void CopyTo(Span<ScoredVector> best)
        {
            for (int q = 0; q < _count; q++)
            {
                for (int worker = 1; worker < _workers; worker++)
                    _best[0][q].Add(_best[worker][q]);
                _best[0][q].CopyTo(best.Slice(q * _wanted, _wanted));
            }
        }

        // Pieces in turn; behind them the vectors that wait.
        private void Work(int worker)
        {
            int blocks = _index._encoded / _codec.RowsPerBlock, perPiece = _index._blocksPerPiece, pieces = (blocks + perPiece - 1) / perPiece;
            for (int piece = Interlocked.Increment(ref _next) - 1; piece <= pieces; piece = Interlocked.Increment(ref _next) - 1)
            {
                int first = piece * _index.PieceRows;
                if (piece == pieces)
                {
                    Take(worker, _index._encoded, _index._waitingCount, ScoreWaiting(worker));
                    return;
                }

                int count = Math.Min(perPiece, blocks - (piece * perPiece)), ahead = (piece + _workers) * perPiece, rows = count * _codec.RowsPerBlock;
                ReadOnlySpan<byte> upcoming = ahead < blocks ? _index.Blocks(ahead, Math.Min(perPiece, blocks - ahead)) : [];
                Span<float> scores = _pieceScores[worker].AsSpan(0, _count * rows);
                _codec.Score(_prepared!, _index.Blocks(piece * perPiece, count), scores, _index._arithmetic, upcoming, first);
                Take(worker, first, rows, scores);
            }
        }

        private ReadOnlySpan<float> ScoreWaiting(int worker)
        {
            int rows = _index._waitingCount, d = _codec.Dimension;
            Span<float> scores = _pieceScores[worker].AsSpan(0, _count * rows);
            for (int q = 0; q < _count; q++)
            {
                for (int row = 0; row < rows; row++)
                    scores[(q * rows) + row] = TensorPrimitives.Dot<float>(_queries.AsSpan(q * d, d), _index._waiting.AsSpan(row * d, d));
            }

            return scores;
        }

        private void Take(int worker, int first, int rows, ReadOnlySpan<float> scores)
        {
            for (int q = 0; q < _count; q++)
            {
                ReadOnlySpan<float> ofQuery = scores.Slice(q * rows, rows);
                if (_scores.Length > 0)
                    ofQuery.CopyTo(_scores.Span[((_scores.Length / _count * q) + first)..]);
                else
                    _best[worker][q].Add(ofQuery, first);
            }
        }
    }
}
