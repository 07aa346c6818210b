using Kvant.Evaluation.Metrics;

namespace Kvant.Evaluation.Tests.Metrics;

public sealed class TokenLossTests
{
    // Softmax and divergence from their definitions, in double precision.
    [Fact]
    public void ComparisonFollowsTheDefinitions()
    {
        float[] exact = [1, 2, 0.5f, -3], compressed = [1.5f, 1.9f, 0.1f, -2];
        SoftmaxRow p = new(4), q = new(4);
        p.Set(exact, 1);
        q.Set(compressed, 1);
        double[] a = Softmax(exact), b = Softmax(compressed);
        var found = TokenComparison.Of(p, q, target: 2);
        Assert.Equal(a.Zip(b, (x, y) => x * Math.Log(x / y)).Sum(), found.Divergence, 12);
        Assert.Equal(Math.Log(a[2]), found.ExactLogProbability, 12);
        Assert.Equal(Math.Log(b[2]), found.LogProbability, 12);
        Assert.True(found.SameTop);
    }

    [Fact]
    public void MetricsFollowTheirDefinitions()
    {
        TokenComparison[] tokens = [.. Enumerable.Range(1, 1000).Select(i => new TokenComparison(i / 1000.0, Math.Log(0.5), Math.Log(0.25), i % 10 != 0))];
        var loss = TokenLoss.Of(new TokenComparisons([tokens[..500], tokens[500..]]));
        Assert.Equal(0.5005, loss.DivergenceMean.Value, 12);
        Assert.Equal((0.5, 0.99, 0.999, 1), (loss.DivergenceMedian.Value, loss.DivergenceP99.Value, loss.DivergenceP999.Value, loss.DivergenceMaximum.Value));
        Assert.Equal(4, loss.Perplexity.Value, 12);
        Assert.Equal(2, loss.PerplexityRatio.Value, 12);
        Assert.Equal(0.9, loss.Top1.Value, 12);
        Assert.Equal(0.25, loss.TrueTokenChange.Value, 12);
        // Of numbers that all differ from those of the exact cache no metric is left out.
        Assert.All(typeof(TokenLoss).GetProperties().Where(p => p.PropertyType == typeof(Estimate)), p => Assert.NotEqual(default, (Estimate)p.GetValue(loss)!));
    }

    // The mean of n chunks spreads by the chunks' deviation over the root of n; the bootstrap divides by n, not n - 1, and draws 200 times.
    [Fact]
    public void StandardErrorIsThatOfTheMean()
    {
        var random = new Random(3);
        TokenComparison[][] chunks = [.. Enumerable.Range(0, 40).Select(_ => new[] { new TokenComparison(random.NextDouble(), 0, 0, true) })];
        double[] means = [.. chunks.Select(c => c[0].Divergence)];
        double mean = means.Average(), deviation = Math.Sqrt(means.Average(m => (m - mean) * (m - mean)));
        var loss = TokenLoss.Of(new TokenComparisons(chunks));
        Assert.InRange(loss.DivergenceMean.StandardError!.Value / (deviation / Math.Sqrt(40)), 0.85, 1.15);
        Assert.Equal(0, loss.Perplexity.StandardError);
    }

    [Fact]
    public void OneChunkHasNoStandardError() =>
        Assert.Null(TokenLoss.Of(new TokenComparisons([[new TokenComparison(0.1, -1, -1, true)]])).DivergenceMean.StandardError);

    [Fact]
    public void MeanOfKeysIsAShareOfTheirEnergy()
    {
        var same = new KeyMean(1, 2);
        same.Add([3, 4, 3, 4]);
        Assert.Equal(1, same.Share, 12);
        var opposite = new KeyMean(1, 2);
        opposite.Add([3, 4, -3, -4]);
        Assert.Equal(0, opposite.Share, 12);
        // Each head has its own mean: two heads with opposite keys share nothing with each other, but each with itself.
        var heads = new KeyMean(2, 1);
        heads.Add([1, -1, 1, -1]);
        Assert.Equal(1, heads.Share, 12);
        var half = new KeyMean(1, 2);
        half.Add([1, 1, 1, -1]);
        Assert.Equal(0.5, half.Share, 12);
    }

    private static double[] Softmax(float[] logits)
    {
        double[] powers = [.. logits.Select(l => Math.Exp(l))];
        return [.. powers.Select(x => x / powers.Sum())];
    }
}
