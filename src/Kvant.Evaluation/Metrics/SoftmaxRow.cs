using System.Numerics.Tensors;

namespace Kvant.Evaluation.Metrics;

/// <summary>One query's attention over the tokens it sees, in double precision. The buffers are reused from query to query.</summary>
internal sealed class SoftmaxRow
{
    private readonly double[] _logits, _weights;

    /// <summary>Room for rows of up to so many tokens.</summary>
    /// <param name="capacity">Tokens, at least 1.</param>
    public SoftmaxRow(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        (_logits, _weights) = (new double[capacity], new double[capacity]);
    }

    /// <summary>Tokens of the row that was set last.</summary>
    public int Length { get; private set; }

    /// <summary>Scaled dot products.</summary>
    public ReadOnlySpan<double> Logits => _logits.AsSpan(0, Length);

    /// <summary>The softmax of the logits; they sum to 1.</summary>
    public ReadOnlySpan<double> Weights => _weights.AsSpan(0, Length);

    /// <summary>The logarithm of the sum of the exponentials of the logits.</summary>
    public double LogSumExp { get; private set; }

    /// <summary>The token with the largest weight, the first of equals.</summary>
    public int Top { get; private set; }

    /// <summary>Takes a row.</summary>
    /// <param name="dots">Dot products of the query with each key, at least 1.</param>
    /// <param name="scale">The softmax scale.</param>
    public void Set(ReadOnlySpan<float> dots, double scale)
    {
        ArgumentOutOfRangeException.ThrowIfZero(dots.Length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(dots.Length, _logits.Length);
        Length = dots.Length;
        Span<double> logits = _logits.AsSpan(0, Length), weights = _weights.AsSpan(0, Length);
        TensorPrimitives.ConvertTruncating(dots, logits);
        TensorPrimitives.Multiply(logits, scale, logits);
        Top = TensorPrimitives.IndexOfMax<double>(logits);
        double largest = logits[Top];
        TensorPrimitives.Subtract(logits, largest, weights);
        TensorPrimitives.Exp<double>(weights, weights);
        double sum = TensorPrimitives.Sum<double>(weights);
        TensorPrimitives.Divide(weights, sum, weights);
        LogSumExp = largest + Math.Log(sum);
    }

    /// <summary>The Kullback-Leibler divergence KL(this | other) of the weights, in nats.</summary>
    /// <param name="other">Of the same length.</param>
    public double DivergenceOf(SoftmaxRow other)
    {
        SameLength.Require(Length, other.Length);
        // sum of p (log p - log q), with log p = logit - log-sum-exp: no logarithm of an underflown weight is ever taken.
        ReadOnlySpan<double> p = Weights, a = Logits, b = other.Logits;
        double sum = 0;
        for (int i = 0; i < p.Length; i++)
            sum += p[i] * (a[i] - b[i]);
        double divergence = sum - (LogSumExp - other.LogSumExp);
        return Math.Max(0, divergence); // never negative but for the rounding of nearly equal rows
    }
}
