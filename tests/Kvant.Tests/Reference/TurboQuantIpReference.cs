namespace Kvant.Tests.Reference;

/// <summary>
/// TurboQuant for inner products, the paper's Algorithm 2: levels of b - 1 bits, the signs of a sketch S of the residual r,
/// and ||r||. The estimate is &lt;q, x~&gt; + sqrt(pi/2)/m ||r|| &lt;S q, sign(S r)&gt;.
/// </summary>
/// <param name="levels">Codebook of b - 1 bits times sqrt(d); the single level 0 for b = 1.</param>
/// <param name="sketch">m rows of d independent standard normal numbers.</param>
internal sealed class TurboQuantIpReference(double[] levels, double[,] sketch)
{
    public enum Fault
    {
        None,

        /// <summary>Seed 003: the norm of the residual is not stored.</summary>
        WithoutResidualNorm,

        /// <summary>Seed 003: the absolute value of the query's sketch.</summary>
        AbsoluteQuerySketch,
    }

    /// <summary>The estimate of &lt;q, x&gt;, x in the basis of the codes.</summary>
    public double Estimate(double[] q, double[] x, Fault fault = Fault.None)
    {
        int m = sketch.GetLength(0);
        double scale = ReferenceMath.Norm(x) / Math.Sqrt(x.Length);
        double[] level = [.. x.Select(v => scale * levels[ReferenceMath.Nearest(levels, v / scale)])];
        double[] residual = [.. x.Zip(level, (v, l) => v - l)];
        double[] sketchedResidual = ReferenceMath.Multiply(sketch, residual), sketchedQuery = ReferenceMath.Multiply(sketch, q);
        double sum = 0;
        for (int i = 0; i < m; i++)
            sum += (fault == Fault.AbsoluteQuerySketch ? Math.Abs(sketchedQuery[i]) : sketchedQuery[i]) * Math.Sign(sketchedResidual[i]);
        double norm = fault == Fault.WithoutResidualNorm ? 1 : ReferenceMath.Norm(residual);
        return ReferenceMath.Dot(q, level) + (Math.Sqrt(Math.PI / 2) / m * norm * sum);
    }

    /// <summary>The norm of what the levels leave over.</summary>
    public double ResidualNorm(double[] x)
    {
        double scale = ReferenceMath.Norm(x) / Math.Sqrt(x.Length);
        return ReferenceMath.Norm([.. x.Select(v => v - (scale * levels[ReferenceMath.Nearest(levels, v / scale)]))]);
    }

    public static double[,] GaussianSketch(int m, int dimension, int seed)
    {
        var random = new Random(seed);
        var sketch = new double[m, dimension];
        for (int r = 0; r < m; r++)
        {
            for (int c = 0; c < dimension; c++)
                sketch[r, c] = TestRows.Normal(random);
        }

        return sketch;
    }
}
