using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>What the first queries of a layer looked at: per key-value head and channel the sum of their squares, for codecs that learn from it.</summary>
/// <remarks>Queries of a token count once, and only in order, so that a token that is attended to twice, or by two threads, changes nothing. A token's queries come after
/// its key: of the rows that codecs learn from, those of the last one may not be known yet, and never count.</remarks>
internal sealed class QueryEnergies(LayerLayout layout)
{
    private readonly Lock _lock = new();
    private double[] _sums = []; // [head, channel]
    private int _tokens;

    private int Dimension => layout.Sides[0].Dimension;

    // Those of sinks count too: by then as many tokens more have come.
    private int MostTokens => layout.Sides[0].Codec.LearnsFromQueries ? layout.Sides[0].Codec.CalibrationRows - 1 : 0;

    /// <summary>Counts queries.</summary>
    /// <param name="position">The position of the first token.</param>
    /// <param name="queries">[token, query head, channel].</param>
    public void Observe(int position, ReadOnlySpan<float> queries)
    {
        if (Volatile.Read(ref _tokens) >= MostTokens)
            return;
        lock (_lock)
        {
            if (_sums.Length == 0)
                _sums = new double[layout.Heads * Dimension];
            int group = layout.GroupSize, token = layout.Heads * group * Dimension;
            for (int at = 0; at < queries.Length && _tokens < MostTokens; at += token, position++)
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
                Rotary = layout.Rotary,
                QueryEnergies = _tokens == 0 ? [] : _sums.AsSpan(head * Dimension, Dimension).ToArray(),
            };
        }
    }

    /// <summary>The same numbers for another cache.</summary>
    public QueryEnergies Copy()
    {
        lock (_lock)
            return new QueryEnergies(layout) { _sums = [.. _sums], _tokens = _tokens };
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        lock (_lock)
            (_sums, _tokens) = ([], 0);
    }
}
