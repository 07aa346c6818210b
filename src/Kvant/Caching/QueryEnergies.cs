using System.Runtime.InteropServices;
using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>What the first queries of a layer looked at: per key-value head and channel the sum of their squares, for codecs that learn from it.</summary>
/// <remarks>Queries of a token count once, and only in order, so that a token that is attended to twice, or by two threads, changes nothing. A token's queries come after
/// its key: of the rows that codecs learn from, those of the last one may not be known yet, and never count.</remarks>
internal sealed class QueryEnergies(LayerLayout layout)
{
    private readonly Lock _lock = new();
    private readonly int _most = MostTokens(layout);
    private double[] _sums = []; // [head, channel]
    private int _tokens;

    private int Dimension => layout.Sides[0].Dimension;

    /// <summary>How many tokens' queries have counted.</summary>
    public int Tokens => Volatile.Read(ref _tokens);

    /// <summary>Key-value heads of which something is known: all or none.</summary>
    public int Heads => Tokens > 0 ? layout.Heads : 0;

    /// <summary>How many tokens' queries can count; those of sinks do too, for by then as many tokens more have come.</summary>
    public static int MostTokens(LayerLayout layout)
    {
        int most = 0;
        foreach (StepLayout step in layout.Steps)
            most = Math.Max(most, step.Sides[0].Codec.LearnsFromQueries ? step.Sides[0].Codec.CalibrationRows - 1 : 0);
        return most;
    }

    /// <summary>Counts queries.</summary>
    /// <param name="position">The position of the first token.</param>
    /// <param name="queries">[token, query head, channel].</param>
    public void Observe(int position, ReadOnlySpan<float> queries)
    {
        if (Tokens >= _most)
            return;
        lock (_lock)
        {
            if (_sums.Length == 0)
                _sums = new double[layout.Heads * Dimension];
            int group = layout.Shape.GroupSize, token = layout.Heads * group * Dimension;
            for (int at = 0; at < queries.Length && _tokens < _most; at += token, position++)
            {
                if (position != _tokens)
                    continue;
                for (int i = 0; i < token; i++)
                    _sums[(i / (group * Dimension) * Dimension) + (i % Dimension)] += (double)queries[at + i] * queries[at + i];
                _tokens++;
            }
        }
    }

    /// <summary>What is known of a head.</summary>
    public CalibrationContext ContextOf(int head)
    {
        lock (_lock)
        {
            return new CalibrationContext
            {
                Rotary = layout.Shape.Rotary,
                QueryEnergies = _tokens == 0 ? [] : _sums.AsSpan(head * Dimension, Dimension).ToArray(),
            };
        }
    }

    /// <summary>The same numbers for another cache, or for another layout of the layer; none where that hears of fewer tokens.</summary>
    /// <param name="other">The other layout, of the same heads; null for the same.</param>
    public QueryEnergies Copy(LayerLayout? other = null)
    {
        QueryEnergies copy = new(other ?? layout);
        lock (_lock)
        {
            if (_tokens <= copy._most)
                (copy._sums, copy._tokens) = ([.. _sums], _tokens);
        }

        return copy;
    }

    /// <summary>The sums of a head as they lie in a file.</summary>
    public Span<byte> Bytes(int head) => MemoryMarshal.AsBytes(_sums.AsSpan(head * Dimension, Dimension));

    /// <summary>Makes room for sums that are read from a file.</summary>
    public void Restore(int tokens)
    {
        lock (_lock)
            (_sums, _tokens) = (tokens == 0 ? [] : new double[layout.Heads * Dimension], tokens);
    }

    /// <summary>Whether what was read can be sums of squares.</summary>
    /// <exception cref="ArgumentException">It cannot.</exception>
    public void RequirePossible()
    {
        if (!Array.TrueForAll(_sums, sum => sum >= 0 && double.IsFinite(sum)))
            throw new ArgumentException("The energies of queries are not finite numbers of at least 0.");
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        lock (_lock)
            (_sums, _tokens) = ([], 0);
    }
}
