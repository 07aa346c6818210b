using System.Runtime.CompilerServices;
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
            team.Run(worker => runs[worker]++);
            Assert.All(runs, count => Assert.Equal(step, count));
        }
    }

    [Fact]
    public void SleepingWorkersAreWoken()
    {
        var team = new WorkerTeam(3, looks: 0);
        using var together = new Barrier(3);
        for (int step = 0; step < 5; step++)
        {
            Patience.Until(() => team.Sleeping == 2, "workers go to sleep");
            Patience.Start(() => team.Run(_ => together.SignalAndWait())).AssertEnds("a step that needs all workers");
        }

        team.Dispose(); // not after a failure, which would make it wait too
    }

    [Fact]
    public void StepThatComesWhileAWorkerFallsAsleepIsNotMissed()
    {
        using var falls = new ManualResetEventSlim();
        using var begun = new ManualResetEventSlim();
        var team = new WorkerTeam(2, looks: 0, beforeSleep: () =>
        {
            falls.Set();
            begun.Wait();
        });
        int runs = 0;
        falls.Wait(TestContext.Current.CancellationToken);
        // The step has begun and found nobody asleep when the worker says that it sleeps.
        Patience.Start(() => team.Run(worker =>
        {
            begun.Set();
            Interlocked.Increment(ref runs);
        })).AssertEnds("a step that comes as a worker falls asleep");
        Assert.Equal(2, runs);
        team.Dispose();
    }

    [Fact]
    public void AloneTheCallingThreadWorks()
    {
        using var team = new WorkerTeam(3);
        List<(int Worker, int Thread)> seen = [];
        team.Run(worker => seen.Add((worker, Environment.CurrentManagedThreadId)), alone: true);
        Assert.Equal([(0, Environment.CurrentManagedThreadId)], seen);
    }

    [Theory, InlineData(1, false, 0), InlineData(3, true, 0), InlineData(3, false, 0), InlineData(3, false, 2)]
    public void ErrorReachesTheCallerAsItWasThrownAndTheTeamLivesOn(int size, bool alone, int culprit)
    {
        using var team = new WorkerTeam(size);
        for (int step = 0; step < 2; step++)
        {
            ArgumentOutOfRangeException error = Assert.Throws<ArgumentOutOfRangeException>(() => team.Run(worker => FailAs(culprit, worker), alone));
            Assert.Contains(nameof(FailAs), error.StackTrace, StringComparison.Ordinal);
            int runs = 0;
            team.Run(_ => Interlocked.Increment(ref runs));
            Assert.Equal(size, runs);
        }
    }

    [Fact]
    public void WhenAllFailOneErrorReachesTheCallerAndNoneTheNextStep()
    {
        using var team = new WorkerTeam(3);
        Assert.Throws<ArgumentOutOfRangeException>(() => team.Run(static worker => FailAs(worker, worker)));
        team.Run(static _ => { });
    }

    [Fact]
    public void SecondCallAtOnceIsRefusedAndTheFirstEndsWell()
    {
        using var team = new WorkerTeam(2);
        using var open = new ManualResetEventSlim();
        int runs = 0;
        Patience.Job first = Patience.Start(() => team.Run(_ =>
        {
            Interlocked.Increment(ref runs);
            open.Wait();
        }));
        Patience.Until(() => Volatile.Read(ref runs) == 2, "both workers are at work");
        foreach (bool alone in (bool[])[false, true])
            Assert.Contains("one at a time", Assert.Throws<InvalidOperationException>(() => team.Run(_ => runs++, alone)).Message, StringComparison.Ordinal);
        open.Set();
        first.AssertEnds("the first step");
        Assert.Equal(2, runs);
    }

    [Theory, InlineData(0), InlineData(1)]
    public void StepCannotCallItsOwnTeam(int worker)
    {
        var team = new WorkerTeam(2);
        Assert.Throws<InvalidOperationException>(() => team.Run(w => team.Run(static _ => { }, alone: w == worker)));
        Exception? refused = Patience.Start(() => team.Run(w =>
        {
            if (w == worker)
                team.Dispose();
        })).Failure("Dispose within a step");
        Assert.Contains("would wait for itself", Assert.IsType<InvalidOperationException>(refused).Message, StringComparison.Ordinal);
        int runs = 0;
        team.Run(_ => Interlocked.Increment(ref runs));
        Assert.Equal(2, runs);
        team.Dispose();
    }

    [Fact]
    public void EndWaitsForTheStepInProgress()
    {
        var team = new WorkerTeam(3);
        using var open = new ManualResetEventSlim();
        int runs = 0;
        Patience.Job step = Patience.Start(() => team.Run(worker =>
        {
            Interlocked.Increment(ref runs);
            if (worker == 0)
                open.Wait();
        }));
        Patience.Until(() => Volatile.Read(ref runs) == 3, "all workers are at work");
        Patience.Job end = Patience.Start(team.Dispose);
        end.AssertWaits("Dispose during a step");
        open.Set();
        step.AssertEnds("a step during which the team was disposed");
        end.AssertEnds("Dispose after the step");
        Assert.Throws<ObjectDisposedException>(() => team.Run(static _ => { }));
    }

    [Fact]
    public void EndComesBetweenSteps()
    {
        for (int trial = 0; trial < 20; trial++)
        {
            var team = new WorkerTeam(3, looks: trial % 2 * 20);
            int steps = 0;
            Patience.Job caller = Patience.Start(() =>
            {
                while (true)
                    team.Run(_ => Interlocked.Increment(ref steps));
            });
            Patience.Until(() => Volatile.Read(ref steps) > trial, "steps are done");
            Patience.Start(team.Dispose).AssertEnds("Dispose between steps");
            Assert.IsType<ObjectDisposedException>(caller.Failure("steps after the end"));
            Assert.Equal(0, steps % 3);
        }
    }

    [Fact]
    public void AnEndedTeamRefusesWork()
    {
        var team = new WorkerTeam(2);
        team.Dispose();
        team.Dispose();
        Assert.IsType<ObjectDisposedException>(Patience.Start(() => team.Run(static _ => { })).Failure("a step after the end"));
        Assert.Throws<ObjectDisposedException>(() => team.Run(static _ => { }, alone: true));
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

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void FailAs(int culprit, int worker) => ArgumentOutOfRangeException.ThrowIfEqual(worker, culprit);
}
