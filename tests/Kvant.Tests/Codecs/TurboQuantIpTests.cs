using System.Collections.Concurrent;
using Kvant.Codecs;
using Kvant.Tests.Reference;

namespace Kvant.Tests.Codecs;

/// <summary>TurboQuant (inner product): unbiased, with the paper's distortion, within the paper's variance bound.</summary>
public sealed class TurboQuantIpTests
{
    private const int Dimension = 128;
    private const int Seeds = 200;
    private const int Pairs = 16;

    // Of every seed: the rows' scores with the queries beside them, then with independent ones.
    private static readonly ConcurrentDictionary<string, float[][]> s_scores = new();
    private static readonly float[] s_rows = TestRows.UnitVectors(4096, Dimension)[..(Pairs * Dimension)];
    private static readonly float[] s_queries = [.. QueriesBeside(s_rows), .. TestRows.UnitVectors(4096, Dimension)[(Pairs * Dimension)..(2 * Pairs * Dimension)]];

    [Theory]
    [InlineData("gaussian", 2)]
    [InlineData("gaussian", 3)]
    [InlineData("gaussian", 4)]
    [InlineData("orthogonal", 3)]
    [InlineData("rademacher", 3)]
    public void InnerProductsAreUnbiasedOverSeeds(string sketch, int bits)
    {
        double[,] errors = Errors($"turboquant-ip:bits={bits},sketch={sketch}", beside: true);
        double squares = 0;
        for (int p = 0; p < Pairs; p++)
        {
            double mean = 0, square = 0;
            for (int s = 0; s < Seeds; s++)
            {
                mean += errors[s, p] / Seeds;
                square += errors[s, p] * errors[s, p] / Seeds;
            }

            double sigmas = mean / Math.Sqrt((square - (mean * mean)) / Seeds);
            Assert.True(Math.Abs(sigmas) < Tolerances.SigmasOfManyPairs, $"{sketch}, {bits} bits, pair {p}: the mean error is {sigmas:G3} standard errors.");
            squares += sigmas * sigmas / Pairs;
        }

        // All pairs of a seed in one number: the mean over 200 seeds is within 3 standard errors of zero.
        double[] perSeed = [.. Enumerable.Range(0, Seeds).Select(s => Enumerable.Range(0, Pairs).Average(p => errors[s, p]))];
        double bias = perSeed.Average(), deviation = Math.Sqrt(perSeed.Average(e => (e - bias) * (e - bias)));
        Assert.True(Math.Abs(bias) < Tolerances.Sigmas * deviation / Math.Sqrt(Seeds), $"{sketch}, {bits} bits: all pairs together are biased by {bias * Math.Sqrt(Seeds) / deviation:G3} standard errors.");

        // The queries correlate strongly with their rows, so a bias of a few percent is dozens of sigmas in every pair;
        // together they see a bias of one sigma: the mean of their squares scatters around 1 by sqrt(2 / 16).
        Assert.True(squares < 1 + (Tolerances.Sigmas * Math.Sqrt(2.0 / Pairs)), $"{sketch}, {bits} bits: the mean errors are {Math.Sqrt(squares):G3} standard errors in the mean square.");
    }

    [Theory]
    [InlineData(2, .571)]
    [InlineData(3, .1845)]
    [InlineData(4, .0543)]
    public void DistortionIsThePapers(int bits, double expected)
    {
        // The paper's number is for a row and an independent query, so every row meets every query.
        double sum = 0;
        foreach (float[] scores in Scores($"turboquant-ip:bits={bits},sketch=gaussian"))
        {
            for (int i = Pairs * Pairs; i < scores.Length; i++)
                sum += Measure.Square(scores[i] - Exact(i / Pairs, i % Pairs));
        }

        double distortion = sum / (Seeds * Pairs * Pairs) * Dimension;
        Measure.AssertInBand(distortion, expected, Tolerances.InnerProductDistortion, $"{bits} bits");
        Measure.AssertInBand(distortion, Math.PI / 2 * LloydMaxReference.Of(Dimension, bits - 1).Nmse, Tolerances.InnerProductDistortion, $"{bits} bits, pi/2 of the level error");
    }

    [Theory]
    [InlineData("gaussian", 0)]
    [InlineData("gaussian", 64)]
    [InlineData("gaussian", 256)]
    [InlineData("orthogonal", 0)]
    [InlineData("rademacher", 0)]
    public void VarianceStaysBelowItsBound(string sketch, int length)
    {
        double[,] errors = Errors($"turboquant-ip:bits=3,sketch={sketch}{(length == 0 ? "" : $",length={length}")}", beside: false);
        double sum = 0;
        foreach (double error in errors)
            sum += error * error / errors.Length;

        // pi/2 ||r||^2 ||q||^2 / m with the expected ||r||^2; 3,200 samples estimate a variance to 2.5 %.
        double bound = Math.PI / 2 * LloydMaxReference.Of(Dimension, 2).Nmse / (length == 0 ? Dimension : length);
        Assert.True(sum <= bound * 1.075, $"{sketch}, length {length}: variance {sum:G4}, bound {bound:G4}.");
        if (sketch == "gaussian")
            Assert.True(sum >= bound * 0.9, $"{sketch}, length {length}: variance {sum:G4} is too good for the bound {bound:G4}.");
    }

    [Fact]
    public void OrthogonalSketchIsBetterThanTheGaussianOne()
    {
        double[] squares = new double[2];
        string[] sketches = ["gaussian", "orthogonal"];
        for (int i = 0; i < 2; i++)
        {
            foreach (double error in Errors($"turboquant-ip:bits=3,sketch={sketches[i]}", beside: false))
                squares[i] += error * error;
        }

        Assert.True(squares[1] < squares[0], $"orthogonal {squares[1]:G4}, Gaussian {squares[0]:G4}");
    }

    [Theory]
    [InlineData(2, 16 + 16 + 4)]
    [InlineData(3, 32 + 16 + 4)]
    [InlineData(4, 48 + 16 + 4)]
    public void BytesCountLevelsSignsAndBothScales(int bits, int bytes) =>
        Assert.Equal(bytes, CodecCases.Create($"turboquant-ip:bits={bits}", Dimension).BytesPerBlock);

    [Fact]
    public void LengthOfTheRowScalesTheEstimate()
    {
        Codec codec = CodecCases.Create("turboquant-ip:bits=3", Dimension, CodecRole.Keys);
        float[] unit = Scores(codec, s_rows), large = Scores(codec, TestRows.Scaled(s_rows, 500));
        for (int i = 0; i < unit.Length; i++)
            Assert.Equal(500 * unit[i], large[i], 500 * 4 * Tolerances.HalfPrecision);
    }

    // Each row with its own query.
    private static double[,] Errors(string spec, bool beside)
    {
        var errors = new double[Seeds, Pairs];
        float[][] scores = Scores(spec);
        for (int seed = 0; seed < Seeds; seed++)
        {
            for (int p = 0; p < Pairs; p++)
            {
                int q = beside ? p : Pairs + p;
                errors[seed, p] = scores[seed][(q * Pairs) + p] - Exact(q, p);
            }
        }

        return errors;
    }

    private static double Exact(int query, int row) => Measure.Dot(s_queries.AsSpan(query * Dimension, Dimension), s_rows.AsSpan(row * Dimension, Dimension));

    private static float[][] Scores(string spec) => s_scores.GetOrAdd(spec, static spec =>
        [.. Enumerable.Range(0, Seeds).Select(seed => Scores(CodecSpec.Parse($"{spec},seed={seed}").CreateCodec(Dimension, CodecRole.Keys), s_rows))]);

    private static float[] Scores(Codec codec, float[] rows)
    {
        PreparedQueries prepared = codec.CreatePreparedQueries(2 * Pairs);
        codec.Prepare(s_queries, prepared);
        var scores = new float[2 * Pairs * Pairs];
        codec.Score(prepared, CodecCases.Encode(codec, rows), scores);
        return scores;
    }

    // Each query is its row plus as much noise: <q, x> is about 1 and a bias would be a bias of that.
    private static float[] QueriesBeside(float[] rows)
    {
        float[] noise = TestRows.UnitVectors(4096, Dimension)[(1000 * Dimension)..((1000 + Pairs) * Dimension)];
        return [.. rows.Zip(noise, (x, n) => x + n)];
    }
}
