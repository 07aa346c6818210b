using System.Runtime.ExceptionServices;

namespace Kvant.Models.Weights;

/// <summary>
/// A fixed team of threads for the matrix products of a decoder. They wait for work spinning for a moment, because products follow each
/// other within microseconds, and asleep after that. With a count of 1 everything runs on the caller's thread and there are no others.
/// </summary>
public sealed class Workers : IDisposable
{
    // Some ten microseconds to a few hundred, depending on who else wants the cores: longer than the gap between two products.
    private const int SpinsBeforeSleep = 200;

    private readonly Thread[] _threads;
    private readonly Lock _running = new();
    private readonly object _gate = new();
    private volatile int _round;
    private volatile bool _disposed;
    private int _pending;
    private IWork? _work;
    private Exception? _failure;

    /// <summary>Starts the team.</summary>
    /// <param name="count">How many threads work at once, the caller's own among them: 1 or more.</param>
    /// <exception cref="ArgumentOutOfRangeException">The count is less than 1.</exception>
    public Workers(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        _threads = new Thread[count - 1];
        for (int i = 0; i < _threads.Length; i++)
        {
            int part = i + 1;
            _threads[i] = new Thread(() => Serve(part)) { IsBackground = true, Name = $"Kvant worker {part}" };
            _threads[i].Start();
        }
    }

    /// <summary>How many threads work at once.</summary>
    public int Count => _threads.Length + 1;

    /// <summary>Ends the team's threads. May be called twice.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        NextRound();
        foreach (Thread thread in _threads) thread.Join();
    }

    /// <summary>Does all parts and returns when they are done; an error of any part is thrown here. Calls of several threads wait for each other.</summary>
    /// <exception cref="ObjectDisposedException">The team was ended.</exception>
    internal void Run(IWork work)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_threads.Length == 0)
        {
            work.Run(0, 1);
            return;
        }
        lock (_running)
        {
            _work = work;
            _failure = null;
            Volatile.Write(ref _pending, _threads.Length);
            NextRound();
            RunPart(0);
            SpinWait spin = default;
            while (Volatile.Read(ref _pending) > 0) spin.SpinOnce(sleep1Threshold: -1);
            _work = null;
            if (_failure is { } failure) ExceptionDispatchInfo.Throw(failure);
        }
    }

    private void Serve(int part)
    {
        int seen = 0;
        while (true)
        {
            SpinWait spin = default;
            while (_round == seen && spin.Count < SpinsBeforeSleep) spin.SpinOnce(sleep1Threshold: -1);
            lock (_gate)
            {
                while (_round == seen) Monitor.Wait(_gate);
            }
            seen++;
            if (_disposed) return;
            RunPart(part);
            Interlocked.Decrement(ref _pending);
        }
    }

    private void RunPart(int part)
    {
        try
        {
            _work!.Run(part, Count);
        }
        catch (Exception e)
        {
            _failure = e;
        }
    }

    private void NextRound()
    {
        lock (_gate)
        {
            _round++;
            Monitor.PulseAll(_gate);
        }
    }
}
