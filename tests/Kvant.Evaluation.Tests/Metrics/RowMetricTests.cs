using Kvant.Evaluation.Metrics;

namespace Kvant.Evaluation.Tests.Metrics;

public sealed class RowMetricTests
{
    [Fact]
    public void CosineOfKnownRowsIsTheirMean()
    {
        var cosine = new CosineSimilarity();
        cosine.Add([1, 0], [5, 0]);
        cosine.Add([1, 0], [1, 1]);
        cosine.Add([1, 0], [-2, 0]);
        Assert.Equal((1 + Math.Sqrt(0.5) - 1) / 3, cosine.Value, 12);
    }

    [Theory]
    [InlineData(0f, 0f, 1)]
    [InlineData(0f, 1f, 0)]
    [InlineData(1f, 0f, 0)]
    public void CosineOfZeroRowsIsDefined(float exact, float decoded, double wanted)
    {
        var cosine = new CosineSimilarity();
        cosine.Add([exact], [decoded]);
        Assert.Equal(wanted, cosine.Value);
    }

    [Fact]
    public void ShrunkEstimatesShowInTheBias()
    {
        var error = new InnerProductError();
        error.Add(1, 0.9, 2);
        error.Add(-3, -2.7, 5);
        Assert.Equal(-0.1, error.Bias, 12);
        Assert.Equal(Math.Sqrt(((0.05 * 0.05) + (0.06 * 0.06)) / 2), error.Rmse, 12);
    }

    [Fact]
    public void EstimatesOfZeroHaveBiasMinusOne()
    {
        var error = new InnerProductError();
        error.Add(0.25, 0, 1);
        error.Add(-0.5, 0, 1);
        error.Add(0, 0, 0);
        Assert.Equal(-1, error.Bias);
        Assert.Equal(Math.Sqrt((0.0625 + 0.25) / 2), error.Rmse, 12);
    }
}
