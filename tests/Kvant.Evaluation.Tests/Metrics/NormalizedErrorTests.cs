using Kvant.Evaluation.Metrics;

namespace Kvant.Evaluation.Tests.Metrics;

public sealed class NormalizedErrorTests
{
    [Fact]
    public void KnownRowsGiveTheShareByHand()
    {
        var error = new NormalizedError();
        error.Add([3, 4], [3, 3]);
        error.Add([0, 5], [2, 5]);
        Assert.Equal(5.0 / 50, error.Value, 15);
    }

    [Fact]
    public void ZeroDecoderHasOne()
    {
        var error = new NormalizedError();
        error.Add([1.5f, -2, 7], [0, 0, 0]);
        Assert.Equal(1, error.Value);
    }

    [Fact]
    public void NothingIsExactAndErrorAgainstZerosIsInfinite()
    {
        var error = new NormalizedError();
        Assert.Equal(0, error.Value);
        error.Add([0, 0], [0, 0]);
        Assert.Equal(0, error.Value);
        error.Add([0, 0], [0, 1]);
        Assert.Equal(double.PositiveInfinity, error.Value);
    }

    [Fact]
    public void PartsAddUp()
    {
        var whole = new NormalizedError();
        whole.Add([3, 4, 0, 5], [3, 3, 2, 5]);
        NormalizedError first = new(), second = new();
        first.Add([3, 4], [3, 3]);
        second.Add([0, 5], [2, 5]);
        first.Add(second);
        Assert.Equal(whole.Value, first.Value, 15);
    }

    [Fact]
    public void OtherLengthIsRefusedWithBothNumbers()
    {
        string message = Assert.Throws<ArgumentException>(() => new NormalizedError().Add([1, 2, 3], [1])).Message;
        Assert.Contains("1 decoded", message, StringComparison.Ordinal);
        Assert.Contains("3 are wanted", message, StringComparison.Ordinal);
    }
}
