namespace Kvant.Evaluation.Metrics;

/// <summary>
/// How well a codec estimates dot products &lt;q, x&gt; of unit queries with rows: every product is divided by the row's norm
/// |x|, so that long rows count no more than short ones.
/// </summary>
internal sealed class InnerProductError
{
    private double _cross, _square, _error;
    private long _count;

    /// <summary>
    /// The factor by which estimates are off on average, minus 1: the slope of the least-squares line through the origin,
    /// estimate against truth, minus 1. 0 is unbiased, -0.1 says that estimates are 10 % too small, -1 is a decoder of zeros.
    /// (The plain mean of the errors would be 0 for any codec, because random queries point both ways.)
    /// </summary>
    public double Bias => _square == 0 ? 0 : (_cross / _square) - 1;

    /// <summary>The root mean square of (&lt;q, x^&gt; - &lt;q, x&gt;) / |x|; its square times the dimension is the papers' inner-product distortion.</summary>
    public double Rmse => _count == 0 ? 0 : Math.Sqrt(_error / _count);

    /// <summary>Adds one estimate. A row of zeros has no direction and is left out.</summary>
    /// <param name="exact">&lt;q, x&gt;, |q| = 1.</param>
    /// <param name="estimate">What the codec makes of it.</param>
    /// <param name="norm">|x|.</param>
    public void Add(double exact, double estimate, double norm)
    {
        if (norm == 0)
            return;
        double truth = exact / norm, guess = estimate / norm;
        _cross += guess * truth;
        _square += truth * truth;
        _error += (guess - truth) * (guess - truth);
        _count++;
    }
}
