using System.Runtime.InteropServices;

namespace Kvant.Cli;

/// <summary>
/// Ctrl-C and a request to terminate. Every command ends within a second: the first signal cancels it, so that it stops at its next step
/// in order; where that takes too long, because a thread computes or waits for a pipe, it is left behind and the process ends.
/// </summary>
internal sealed class Interrupt : IDisposable
{
    private const int SignalBase = 128, Terminate = 15;

    private static readonly TimeSpan s_grace = TimeSpan.FromMilliseconds(700);

    private static readonly TimeSpan s_lastWord = TimeSpan.FromMilliseconds(200);

    private static readonly List<(Action Stop, bool AlsoTermination)> s_takers = [];

    private readonly CancellationTokenSource _source = new();
    private readonly PosixSignalRegistration[] _registrations;
    private volatile int _exitCode = Tool.Interrupted;

    public Interrupt() => _registrations =
    [
        PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle),
        PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle),
    ];

    public CancellationToken Token => _source.Token;

    /// <summary>Lets Ctrl-C end something else than the program, until what is returned is disposed.</summary>
    /// <param name="stop">Ends it.</param>
    /// <param name="alsoTermination">Whether a request to terminate does, too.</param>
    public static IDisposable Take(Action stop, bool alsoTermination = false)
    {
        lock (s_takers)
            s_takers.Add((stop, alsoTermination));
        return new Taken(stop);
    }

    /// <summary>Runs a command on a thread of its own, so that nothing it does can keep the process.</summary>
    /// <param name="command">Returns the exit code; throws nothing.</param>
    /// <param name="abandon">Cleans up and says so where the command does not come back in time; false where the command is saying so itself.</param>
    /// <returns>The exit code.</returns>
    public int Run(Func<int> command, Func<bool> abandon)
    {
        int code = Tool.Failure;
        // Not disposed: a command that was left behind may end at any time.
        var done = new ManualResetEventSlim();
        new Thread(() =>
        {
            code = command();
            done.Set();
        })
        { IsBackground = true, Name = "Kvant command" }.Start();
        if (WaitHandle.WaitAny([done.WaitHandle, Token.WaitHandle]) == 1 && !done.Wait(s_grace))
        {
            if (!abandon())
                done.Wait(s_lastWord);
            return _exitCode;
        }

        return code == Tool.Interrupted ? _exitCode : code;
    }

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
            registration.Dispose();
    }

    /// <summary>Gives a signal to whoever took it last. Whoever gives it up meanwhile waits till then: what it would stop is there as long as it is stopped.</summary>
    /// <returns>Whether anybody took it.</returns>
    internal static bool Offer(PosixSignal signal)
    {
        lock (s_takers)
        {
            if (s_takers.LastOrDefault(t => signal == PosixSignal.SIGINT || t.AlsoTermination).Stop is not { } taker)
                return false;
            taker();
            return true;
        }
    }

    private void Handle(PosixSignalContext context)
    {
        context.Cancel = true;
        if (Offer(context.Signal))
            return;
        if (context.Signal == PosixSignal.SIGTERM)
            _exitCode = SignalBase + Terminate;
        _source.Cancel();
    }

    private sealed class Taken(Action stop) : IDisposable
    {
        public void Dispose()
        {
            lock (s_takers)
                s_takers.RemoveAll(t => t.Stop == stop);
        }
    }
}
