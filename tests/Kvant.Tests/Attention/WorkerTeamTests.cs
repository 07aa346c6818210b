using Kvant.Attention;

namespace Kvant.Tests.Attention;

public sealed class WorkerTeamTests
{
    [Theory, InlineData(1), InlineData(2), InlineData(5)]
    public void EveryWorkerRunsOncePerStep(int size)
    {
        using var team = new WorkerTeam(size);
        Assert.Equal(size, team.Size);
        int[] runs = new int[size];
        for (int step = 1; step <= 500; step++)
        {
            // Now and then the team has gone to sleep.
            if (step % 200 == 0)
                Thread.Sleep(20);
            team.Run(worker => runs[worker]++);
            Assert.All(runs, count => Assert.Equal(step, count));
        }
    }

    [Fact]
    public void AloneTheCallingThreadWorks()
    {
        using var team = new WorkerTeam(3);
        List<(int Worker, int Thread)> seen = [];
        team.Run(worker => seen.Add((worker, Environment.CurrentManagedThreadId)), alone: true);
        Assert.Equal([(0, Environment.CurrentManagedThreadId)], seen);
    }

    [Fact]
    public void AnErrorOfAnyWorkerReachesTheCallerAndTheTeamLivesOn()
    {
        using var team = new WorkerTeam(3);
        Exception error = Assert.Throws<InvalidOperationException>(() => team.Run(worker => ArgumentOutOfRangeException.ThrowIfEqual(worker, 2)));
        Assert.IsType<ArgumentOutOfRangeException>(error.InnerException);
        int runs = 0;
        team.Run(_ => Interlocked.Increment(ref runs));
        Assert.Equal(3, runs);
    }

    [Fact]
    public void AnEndedTeamRefusesWork()
    {
        var team = new WorkerTeam(2);
        team.Dispose();
        team.Dispose();
        Assert.Throws<ObjectDisposedException>(() => team.Run(static _ => { }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new WorkerTeam(0));
    }

    [Fact]
    public void SharedTeamOutlivesThoseWhoUseIt()
    {
        using var team = new WorkerTeam(2);
        new CacheAttention(new() { Layers = 1, KvHeads = 1, KeyDimension = 8, ValueDimension = 8 }, team: team).Dispose();
        int runs = 0;
        team.Run(_ => Interlocked.Increment(ref runs));
        Assert.Equal(2, runs);
    }
}
