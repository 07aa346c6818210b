namespace Kvant.Models.Decoding;

/// <summary>
/// Rotary position embedding (Su et al., 2021): pairs of coordinates of queries and keys are turned by an angle that grows with the
/// position, each pair at its own speed, so that a dot product depends on the distance of two tokens.
/// </summary>
internal sealed class Rope
{
    private readonly bool _halves;
    private readonly double[] _speeds;
    private readonly float[] _cosines;
    private readonly float[] _sines;

    internal Rope(LanguageModel model, int mostTokens)
    {
        _halves = model.Architecture.RotatesHalves;
        int dimension = model.Config.HeadDimension;
        _speeds = new double[dimension / 2];
        for (int i = 0; i < _speeds.Length; i++)
            _speeds[i] = Math.Pow(model.Config.RopeBase, -2.0 * i / dimension) / model.Config.RopeDivisor / (model.RopeFactors?[i] ?? 1);
        _cosines = new float[mostTokens * _speeds.Length];
        _sines = new float[mostTokens * _speeds.Length];
    }

    /// <summary>Makes the angles of some tokens, once for all layers and heads.</summary>
    internal void Prepare(int position, int tokens)
    {
        for (int token = 0; token < tokens; token++)
        {
            for (int i = 0; i < _speeds.Length; i++)
            {
                (double sine, double cosine) = Math.SinCos((position + token) * _speeds[i]);
                _sines[(token * _speeds.Length) + i] = (float)sine;
                _cosines[(token * _speeds.Length) + i] = (float)cosine;
            }
        }
    }

    /// <summary>Turns the vectors of the prepared tokens in place: tokens x heads x dimension.</summary>
    internal void Rotate(Span<float> vectors, int tokens)
    {
        int pairs = _speeds.Length, dimension = 2 * pairs, heads = vectors.Length / tokens / dimension;
        (int step, int distance) = _halves ? (1, pairs) : (2, 1);
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
