using System.Runtime.InteropServices;

namespace Kvant.Cli.Tests;

public sealed class InterruptTests
{
    // Nobody else in these tests takes it.
    private const PosixSignal Signal = PosixSignal.SIGTERM;

    [Fact]
    public async Task WhoTookASignalIsThereUntilItWasStopped()
    {
        using ManualResetEventSlim entered = new(), release = new();
        IDisposable taken = Interrupt.Take(
            () =>
            {
                entered.Set();
                release.Wait();
            },
            alsoTermination: true);
        Task<bool> offered = Task.Run(() => Interrupt.Offer(Signal));
        entered.Wait();
        Task given = Task.Run(taken.Dispose);
        await Task.WhenAny(given, Task.Delay(TimeSpan.FromMilliseconds(300)));
        Assert.False(given.IsCompleted);
        release.Set();
        await given;
        Assert.True(await offered);
        Assert.False(Interrupt.Offer(Signal));
    }
}
