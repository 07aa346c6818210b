using Kvant.Models.Weights;

namespace Kvant.Models.Tests.Weights;

public sealed class WorkersTests
{
    [Theory, InlineData(1), InlineData(2), InlineData(5)]
    public void EveryPartRunsOncePerRound(int threads)
    {
        using Workers workers = new(threads);
        Counter counter = new(threads);
        for (int round = 1; round <= 500; round++)
        {
            // Now and then the team has gone to sleep.
            if (round % 200 == 0) Thread.Sleep(20);
            workers.Run(counter);
            Assert.All(counter.Runs, runs => Assert.Equal(round, runs));
        }
    }

    [Fact]
    public void AnErrorOfAnyPartReachesTheCallerAndTheTeamLivesOn()
    {
        using Workers workers = new(3);
        Assert.Throws<InvalidOperationException>(() => workers.Run(new Failing()));
        Counter counter = new(3);
        workers.Run(counter);
        Assert.All(counter.Runs, runs => Assert.Equal(1, runs));
    }

    [Fact]
    public void AnEndedTeamRefusesWork()
    {
        Workers workers = new(2);
        workers.Dispose();
        workers.Dispose();
        Assert.Throws<ObjectDisposedException>(() => workers.Run(new Counter(2)));
    }

    private sealed class Counter(int parts) : IWork
    {
        public int[] Runs { get; } = new int[parts];

        public void Run(int part, int parts) => Runs[part]++;
    }

    private sealed class Failing : IWork
    {
        public void Run(int part, int parts)
        {
            if (part == 2) throw new InvalidOperationException("part 2");
        }
    }
}
