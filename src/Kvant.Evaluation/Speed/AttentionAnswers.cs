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
    public double Check(CodecSpec codec, KvCache cache, CacheAttention attention)
    {
        _decoded.TakeFrom(cache);
        _plain.Decode(_decoded, _queries, _wanted);
        _exact.Decode(cache, 0, _queries, _outputs);
        Require(codec, "in floats", RelativeError(_outputs, _wanted), FloatTolerance);
        double exactError = RelativeError(_outputs, _truth);
        _outputs.CopyTo(_wanted, 0);
        attention.Decode(cache, 0, _queries, _outputs);
        Require(codec, "as it is timed", RelativeError(_outputs, _wanted), FloatTolerance + (IntegerShare * exactError));
        return RelativeError(_outputs, _truth);
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

    private static void Require(CodecSpec codec, string how, double error, double most)
    {
        if (!(error <= most))
            throw new InvalidOperationException($"Attention over '{codec}' {how} is off by {error:0.######} of its output; at most {most:0.######} is right.");
    }
}
