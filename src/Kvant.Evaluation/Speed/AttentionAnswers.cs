using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Evaluation.Speed;

/// <summary>Checks what attention over a cache says before its time counts: a fast answer that is wrong is no answer.</summary>
internal sealed class AttentionAnswers : IDisposable
{
    // Floats in another order: the law that kernels in floats are held to.
    private const double FloatTolerance = 1e-4;

    // Integers may add 2 % to the error e that the codes make. Independent errors add up by their squares: sqrt(e^2 + d^2) = 1.02 e for d = 0.2 e.
    // The errors of one step vary by a third around that; what is wrong is off by far more.
    private const double IntegerShare = 0.3;

    private readonly CacheAttention _exact;
    private readonly PlainAttention _plain;
    private readonly PlainRows _decoded;
    private readonly float[] _queries;
    private readonly float[] _truth;
    private readonly float[] _outputs;
    private readonly float[] _wanted;

    /// <summary>Computes the true answer.</summary>
    public AttentionAnswers(CacheGeometry geometry, PlainRows rows, PlainAttention plain, float[] queries)
    {
        (_plain, _queries) = (plain, queries);
        _exact = new CacheAttention(geometry, new AttentionSettings { Arithmetic = Arithmetic.Exact });
        _decoded = new PlainRows(geometry, rows.Tokens);
        (_truth, _outputs, _wanted) = (Outputs(), Outputs(), Outputs());
        plain.Decode(rows, queries, _truth);

        float[] Outputs() => new float[geometry.QueryHeads * geometry.ValueDimension];
    }

    /// <summary>Compares attention over a cache with plain attention over its decoded rows.</summary>
    /// <param name="codec">Named in the error.</param>
    /// <param name="cache">The cache.</param>
    /// <param name="attention">What is going to be timed.</param>
    /// <returns>The relative root mean square error of its output against plain attention over the uncompressed rows.</returns>
    /// <exception cref="InvalidOperationException">The answer is wrong.</exception>
    public double Check(string codec, KvCache cache, IAttentionSteps attention)
    {
        _decoded.TakeFrom(cache);
        _plain.Decode(_decoded, _queries, _wanted);
        _exact.Decode(cache, 0, _queries, _outputs);
        Require(codec, "in floats", RelativeError(_outputs, _wanted), FloatTolerance);
        _outputs.CopyTo(_wanted, 0);
        attention.Decode(cache, _queries, _outputs);
        return RequireTimed(codec, _outputs, _wanted, _truth);
    }

    /// <summary>Compares what is timed with the same attention in floats.</summary>
    /// <param name="codec">Named in the error.</param>
    /// <param name="timed">What is going to be timed gave this.</param>
    /// <param name="inFloats">Exact arithmetic over the same cache gave this.</param>
    /// <param name="truth">Attention over uncompressed rows gave this.</param>
    /// <returns>The relative root mean square error of what is timed against the truth.</returns>
    /// <exception cref="InvalidOperationException">The answer is wrong.</exception>
    internal static double RequireTimed(string codec, ReadOnlySpan<float> timed, ReadOnlySpan<float> inFloats, ReadOnlySpan<float> truth)
    {
        Require(codec, "as it is timed", RelativeError(timed, inFloats), FloatTolerance + (IntegerShare * RelativeError(inFloats, truth)));
        return RelativeError(timed, truth);
    }

    /// <summary>Requires that a cache decodes to the tokens that were appended: integers that agree with floats about zeros would agree.</summary>
    /// <param name="codec">Named in the error.</param>
    /// <param name="cache">The cache; its first layer and head are looked at.</param>
    /// <param name="keys">What was appended from the first token on, [token, head, number].</param>
    /// <param name="values">As many.</param>
    /// <exception cref="InvalidOperationException">The decoded rows have little to do with them.</exception>
    internal static void RequireRows(string codec, KvCache cache, ReadOnlySpan<float> keys, ReadOnlySpan<float> values)
    {
        int d = cache.Geometry.KeyDimension, row = cache.Geometry.KvHeads * d, tokens = keys.Length / row;
        float[] appended = new float[tokens * d], decodedKeys = new float[tokens * d], decodedValues = new float[tokens * d];
        cache.Decode(0, 0, 0, tokens, decodedKeys, decodedValues);
        Compare(keys, decodedKeys);
        Compare(values, decodedValues);

        void Compare(ReadOnlySpan<float> rows, float[] decoded)
        {
            for (int t = 0; t < tokens; t++)
                rows.Slice(t * row, d).CopyTo(appended.AsSpan(t * d));
            EncodeSpeed.RequireNear(codec, appended, decoded);
        }
    }

    public void Dispose()
    {
        _exact.Dispose();
        _decoded.Dispose();
    }

    internal static double RelativeError(ReadOnlySpan<float> found, ReadOnlySpan<float> wanted)
    {
        double error = 0, energy = 0;
        for (int i = 0; i < wanted.Length; i++)
        {
            error += Math.Pow((double)found[i] - wanted[i], 2);
            energy += Math.Pow(wanted[i], 2);
        }

        return Math.Sqrt(error / energy);
    }

    private static void Require(string codec, string how, double error, double most)
    {
        if (!(error <= most))
            throw new InvalidOperationException($"Attention over '{codec}' {how} is off by {error:0.######} of its output; at most {most:0.######} is right.");
    }
}
