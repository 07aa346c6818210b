using Kvant.Evaluation.Metrics;
using Kvant.Evaluation.Sources;
using Kvant.Evaluation.Tests.Support;

namespace Kvant.Evaluation.Tests.Metrics;

public sealed class AttentionMetricTests
{
    [Fact]
    public void SoftmaxOfKnownDotsIsTheOneByHand()
    {
        SoftmaxRow row = Row(2, (float)Math.Log(2), 0);
        Assert.Equal([0.8, 0.2], row.Weights.ToArray().Select(w => Math.Round(w, 6)));
        Assert.Equal(0, row.Top);
        Assert.Equal(Math.Log(5), row.LogSumExp, 6);
    }

    [Fact]
    public void HugeLogitsStayFinite()
    {
        SoftmaxRow row = Row(1, 3000, -3000, 2999);
        Assert.Equal(1, row.Weights.ToArray().Sum(), 12);
        Assert.Equal(0, row.Weights[1]);
        var divergence = new AttentionDivergence();
        divergence.Add(row, Row(1, -3000, 3000, 0));
        Assert.True(double.IsFinite(divergence.Samples[0]) && divergence.Samples[0] > 4000);
    }

    [Fact]
    public void ShorterRowLeavesNothingOfTheLongerOne()
    {
        var row = new SoftmaxRow(3);
        row.Set([1, 5, 2], 1);
        row.Set([1, 1], 1);
        Assert.Equal([0.5, 0.5], row.Weights.ToArray());
        Assert.Equal(2, row.Length);
    }

    [Fact]
    public void DivergenceEqualsItsDefinition()
    {
        const ulong seed = 8;
        float[] dots = RandomVectors.Normal(2, 50, seed);
        SoftmaxRow exact = Row(0.7, dots[..50]), decoded = Row(0.7, dots[50..]);
        var divergence = new AttentionDivergence();
        divergence.Add(exact, decoded);
        divergence.Add(exact, exact);
        double wanted = ReferenceAttention.Divergence(exact.Weights.ToArray(), decoded.Weights.ToArray());
        Assert.Equal(wanted, divergence.Samples[0], 12);
        Assert.Equal(0, divergence.Samples[1]);
    }

    [Fact]
    public void VectorAddedToAllKeysChangesNothing()
    {
        var divergence = new AttentionDivergence();
        divergence.Add(Row(1, 0, 1, 2), Row(1, 7, 8, 9));
        Assert.Equal(0, divergence.Samples[0], 12);
    }

    [Fact]
    public void LogitErrorIsTheRootMeanSquare()
    {
        var error = new LogitError();
        error.Add([1, 2], [1, 4]);
        error.Add([0, 0], [2, 1]);
        Assert.Equal(1.5, error.Value, 12);
    }

    [Fact]
    public void TopAgreementCountsSameTokens()
    {
        var top = new TopAgreement();
        Assert.Equal(1, top.Value);
        top.Add(Row(1, 0, 1, 2), Row(1, 0, 1, 2));
        top.Add(Row(1, 0, 1, 2), Row(1, 0, 3, 2));
        top.Add(Row(1, 5, 1, 2), Row(1, 4, 3, 2));
        top.Add(Row(1, 5, 1, 2), Row(1, 4, 3, 9));
        Assert.Equal(0.5, top.Value);
    }

    [Fact]
    public void PercentilesInterpolateBetweenNeighbors()
    {
        double[] samples = [.. Enumerable.Range(0, 101).Select(i => (double)(100 - i))];
        samples[0] = 1000;
        Distribution d = Distribution.Of(samples);
        Assert.Equal(50, d.Median);
        Assert.Equal(99, d.P99);
        Assert.Equal((5050.0 + 900) / 101, d.Mean, 10);
        Assert.Equal(2.5, Distribution.Of([4, 1]).Median);
        Assert.Equal(new Distribution(0, 0, 0), Distribution.Of([]));
    }

    private static SoftmaxRow Row(double scale, params float[] dots)
    {
        var row = new SoftmaxRow(dots.Length);
        row.Set(dots, scale);
        return row;
    }
}
