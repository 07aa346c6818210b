namespace Kvant.Models.Decoding;

/// <summary>
/// Rotary position embedding (Su et al., 2021): pairs of coordinates of queries and keys are turned by an angle that grows with the
/// position, each pair at its own speed, so that a dot product depends on the distance of two tokens.
/// </summary>
internal sealed class Rope
{
    private readonly RopeTurns _turns;
    private readonly float[] _cosines;
    private readonly float[] _sines;

    internal Rope(RopeTurns turns, int mostTokens)
    {
        _turns = turns;
        _cosines = new float[mostTokens * turns.Speeds.Length];
        _sines = new float[mostTokens * turns.Speeds.Length];
    }

    /// <summary>Makes the angles of some tokens, once for all layers and heads.</summary>
    /// <param name="positions">One for each token.</param>
    internal void Prepare(ReadOnlySpan<int> positions)
    {
        double[] speeds = _turns.Speeds;
        for (int token = 0; token < positions.Length; token++)
        {
            for (int i = 0; i < speeds.Length; i++)
            {
                (double sine, double cosine) = Math.SinCos(positions[token] * speeds[i]);
                _sines[(token * speeds.Length) + i] = (float)(sine * _turns.Magnitude);
                _cosines[(token * speeds.Length) + i] = (float)(cosine * _turns.Magnitude);
            }
        }
    }

    /// <summary>Turns the vectors of the prepared tokens in place: tokens x heads x dimension.</summary>
    internal void Rotate(Span<float> vectors, int tokens)
    {
        int pairs = _turns.Speeds.Length, dimension = _turns.Dimension, heads = vectors.Length / tokens / dimension;
        (int step, int distance) = _turns.Halves ? (1, pairs) : (2, 1);
        for (int token = 0; token < tokens; token++)
        {
            ReadOnlySpan<float> cosines = _cosines.AsSpan(token * pairs, pairs), sines = _sines.AsSpan(token * pairs, pairs);
            for (int head = 0; head < heads; head++)
            {
                Span<float> vector = vectors.Slice(((token * heads) + head) * dimension, dimension);
                for (int i = 0; i < pairs; i++)
                {
                    float a = vector[i * step], b = vector[(i * step) + distance];
                    vector[i * step] = (a * cosines[i]) - (b * sines[i]);
                    vector[(i * step) + distance] = (a * sines[i]) + (b * cosines[i]);
                }
            }
        }
    }
}
