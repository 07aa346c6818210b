namespace Kvant.Tests.Reference;

/// <summary>
/// The density of one coordinate of a random unit vector of dimension d, times sqrt(d): proportional to (1 - t^2/d)^((d-3)/2),
/// that is x = 2u - 1 with u ~ Beta((d-1)/2, (d-1)/2). Dimension 0 means the limit, the standard normal density.
/// </summary>
internal sealed class SphereDensity
{
    private static readonly (double Node, double Weight)[] s_rule = GaussLegendre(48);
    private readonly double _normalizer;

    public SphereDensity(int dimension)
    {
        Dimension = dimension;
        End = dimension == 0 ? 14 : Math.Min(Math.Sqrt(dimension), 14);
        _normalizer = 1;
        double half = 0;
        for (int i = 0; i < 28; i++)
            half += Integrate(i * End / 28, (i + 1) * End / 28, Density);
        _normalizer = 1 / (2 * half);
    }

    public int Dimension { get; }

    /// <summary>Beyond this there is no mass, or less than 1e-40.</summary>
    public double End { get; }

    public double Density(double t) => _normalizer * (Dimension == 0
        ? Math.Exp(-t * t / 2)
        : Math.Pow(Math.Max(0, 1 - (t * t / Dimension)), (Dimension - 3) / 2.0));

    /// <summary>The mass between two thresholds.</summary>
    public double Mass(double from, double to) => Integrate(from, to, Density);

    /// <summary>The mean of the coordinate between two thresholds.</summary>
    public double Centroid(double from, double to) => Integrate(from, to, t => t * Density(t)) / Mass(from, to);

    /// <summary>The squared distance to a level, between two thresholds.</summary>
    public double Distortion(double from, double to, double level) => Integrate(from, to, t => (t - level) * (t - level) * Density(t));

    private static double Integrate(double from, double to, Func<double, double> function)
    {
        double sum = 0, middle = (from + to) / 2, half = (to - from) / 2;
        foreach ((double node, double weight) in s_rule)
            sum += weight * function(middle + (half * node));
        return sum * half;
    }

    // Nodes are the roots of the Legendre polynomial, found by Newton from the usual cosine start.
    private static (double Node, double Weight)[] GaussLegendre(int count)
    {
        var rule = new (double, double)[count];
        for (int i = 0; i < count; i++)
        {
            double x = Math.Cos(Math.PI * (i + 0.75) / (count + 0.5)), slope = 0;
            for (int step = 0; step < 50; step++)
            {
                double before = 1, value = x;
                for (int n = 2; n <= count; n++)
                    (before, value) = (value, ((((2 * n) - 1) * x * value) - ((n - 1) * before)) / n);
                slope = count * ((x * value) - before) / ((x * x) - 1);
                x -= value / slope;
            }

            rule[i] = (x, 2 / ((1 - (x * x)) * slope * slope));
        }

        return rule;
    }
}
