using Kvant.Evaluation.Speed;

namespace Kvant.Evaluation.Tests.Speed;

public sealed class RoundsTests
{
    [Fact]
    public void ContenderTakesItsPlacesInTurn()
    {
        var places = new List<int>();
        var contender = new Contender(places.Add, places: 3);
        contender.Run(2);
        contender.Run(3);
        Assert.Equal([0, 1, 2, 0, 1], places);
    }

    [Fact]
    public void EveryContenderHasATimeAndProgressReachesTheEnd()
    {
        int calls = 0;
        double done = 0;
        double[] medians = new Rounds { Time = TimeSpan.FromMilliseconds(1), Progress = share => done = share }
            .Medians([new(_ => calls++), new(_ => { })]);
        Assert.Equal(2, medians.Length);
        Assert.All(medians, m => Assert.True(m > 0));
        Assert.True(calls > 3);
        Assert.Equal(1, done);
    }

    [Fact]
    public void CancelledRoundsEnd()
    {
        var rounds = new Rounds { Time = TimeSpan.FromHours(1), Cancellation = new CancellationToken(canceled: true) };
        Assert.Throws<OperationCanceledException>(() => rounds.Medians([new(_ => { })]));
    }

    [Theory]
    [InlineData(new[] { 3.0, 1, 2 }, 2)]
    [InlineData(new[] { 4.0, 1, 2, 3 }, 2.5)]
    public void MedianIsTheMiddle(double[] numbers, double median) => Assert.Equal(median, Rounds.Median(numbers));
}
