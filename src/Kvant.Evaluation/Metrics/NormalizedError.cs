namespace Kvant.Evaluation.Metrics;

/// <summary>
/// The energy of an error as a share of the energy of what it distorts: sum of |x^ - x|^2 over sum of |x|^2.
/// Of rows it is the nMSE (the papers' distortion for unit vectors), of attention outputs the output error.
/// 0 is exact, 1 is what a decoder of zeros has.
/// </summary>
internal sealed class NormalizedError
{
    /// <summary>Sum of the squared errors so far.</summary>
    public double Error { get; private set; }

    /// <summary>Sum of the squared exact numbers so far.</summary>
    public double Energy { get; private set; }

    /// <summary>The share; 0 where there is no error, infinite for an error against nothing but zeros.</summary>
    public double Value => Error == 0 ? 0 : Error / Energy;

    /// <summary>Adds numbers.</summary>
    /// <param name="exact">What they are.</param>
    /// <param name="decoded">What came back; as many.</param>
    public void Add(ReadOnlySpan<float> exact, ReadOnlySpan<float> decoded)
    {
        SameLength.Require(exact.Length, decoded.Length);
        double error = 0, energy = 0;
        for (int i = 0; i < exact.Length; i++)
        {
            double x = exact[i], e = decoded[i] - x;
            error += e * e;
            energy += x * x;
        }

        Error += error;
        Energy += energy;
    }

    /// <summary>Adds what another instance saw.</summary>
    /// <param name="other">It stays as it is.</param>
    public void Add(NormalizedError other)
    {
        Error += other.Error;
        Energy += other.Energy;
    }
}
