using System.Runtime.ExceptionServices;
using Kvant.Caching;

namespace Kvant.Attention;

/// <summary>
/// A few threads that wait for work, so that a step costs neither a thread nor an allocation; the calling thread is one of them. Those who work
/// in turn, such as the attention and the products of one model, should share a team: a thread that waits for its next step keeps a processor busy
/// for a moment, and that of another team would take it from the one who has work. One call at a time; a second one is refused.
/// </summary>
public sealed class WorkerTeam : IDisposable, ICrew
{
    // A step comes every few microseconds while a model runs; after this many looks a thread sleeps until the next.
    private const int Looks = 2000;

    private readonly Worker[] _workers;
    private readonly int _looks;
    private readonly Action? _beforeSleep;
    private Turn _turn;
    private Action<int>? _work;
    private int _round; // raised for each step
    private int _running;
    private bool _ended;
    private Exception? _failure;

    /// <summary>Starts the threads.</summary>
    /// <param name="size">Workers, the calling thread counted, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is less than 1.</exception>
    public WorkerTeam(int size)
        : this(size, Looks)
    {
    }

    /// <summary>Tests make threads sleep sooner, and stop them before they say that they sleep.</summary>
    internal WorkerTeam(int size, int looks, Action? beforeSleep = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        (_looks, _beforeSleep) = (looks, beforeSleep);
        _workers = new Worker[size - 1];
        for (int i = 0; i < _workers.Length; i++)
        {
            int number = i + 1;
            var worker = new Worker();
            worker.Thread = new Thread(() => Serve(worker, number)) { IsBackground = true, Name = $"Kvant worker {number}" };
            _workers[i] = worker;
        }

        foreach (Worker worker in _workers)
            worker.Thread!.Start();
    }

    /// <summary>How many work at once, the calling thread counted.</summary>
    public int Size => _workers.Length + 1;

    /// <summary>Threads that sleep until the next step.</summary>
    internal int Sleeping => _workers.Count(worker => Volatile.Read(ref worker.Asleep) == 1);

    /// <summary>Does one step and returns when all workers are done. What a worker throws is thrown here, however many worked: that of the
    /// first who failed. The team lives on.</summary>
    /// <param name="work">What each does; it gets its number, 0 for the calling thread.</param>
    /// <param name="alone">Whether the calling thread does it all, as number 0: waking others costs more than a small step.</param>
    /// <exception cref="InvalidOperationException">Another call is in progress: that of another thread, or the one that this is called from.</exception>
    /// <exception cref="ObjectDisposedException">The team was ended.</exception>
    public void Run(Action<int> work, bool alone = false)
    {
        ArgumentNullException.ThrowIfNull(work);
        using Turn.Taken turn = _turn.Take(this);
        if (alone || _workers.Length == 0)
            work(0);
        else
            RunTogether(work);
    }

    /// <summary>Ends the threads, after the step in progress; twice is fine.</summary>
    /// <exception cref="InvalidOperationException">Called from within a step, which would wait for itself.</exception>
    public void Dispose()
    {
        if (!_turn.End(this, within: IsWorker))
            return;
        Volatile.Write(ref _ended, true);
        Wake();
        foreach (Worker worker in _workers)
        {
            worker.Thread!.Join();
            worker.Dispose();
        }
    }

    /// <summary>Whether the calling thread is one of those that the team has started: what waits for a step from there would wait for itself.</summary>
    public bool IsWorker => Array.Exists(_workers, worker => worker.Thread == Thread.CurrentThread);

    private void RunTogether(Action<int> work)
    {
        _work = work;
        Volatile.Write(ref _running, _workers.Length);
        Wake();
        Do(0);
        var spinner = default(SpinWait);
        while (Volatile.Read(ref _running) > 0)
            spinner.SpinOnce(sleep1Threshold: -1);
        _work = null;
        if (Interlocked.Exchange(ref _failure, null) is { } failure)
            ExceptionDispatchInfo.Throw(failure);
    }

    private void Wake()
    {
        Interlocked.Increment(ref _round);
        foreach (Worker worker in _workers)
        {
            if (Interlocked.Exchange(ref worker.Asleep, 0) == 1)
                worker.Signal.Release();
        }
    }

    private void Do(int number)
    {
        try
        {
            _work!(number);
        }
        catch (Exception failure)
        {
            // An exception would end the process on a thread of our own; the caller gets it instead.
            Interlocked.CompareExchange(ref _failure, failure, null);
        }
    }

    private void Serve(Worker worker, int number)
    {
        int seen = 0;
        while (true)
        {
            AwaitRound(worker, seen);
            seen = Volatile.Read(ref _round);
            if (Volatile.Read(ref _ended))
                return;
            Do(number);
            Interlocked.Decrement(ref _running);
        }
    }

    private void AwaitRound(Worker worker, int seen)
    {
        for (int i = 0; i < _looks; i++)
        {
            if (Volatile.Read(ref _round) != seen)
                return;
            Thread.SpinWait(10);
        }

        // Either this thread sees the new round after it said that it sleeps, or the caller sees it asleep after raising the round.
        // Who takes the flag back decides: a caller that did has sent a signal, which must be taken. The signal may be one for a round that this
        // thread has done already, if the caller was interrupted between raising the round and looking at the flag; then it sleeps again.
        while (Volatile.Read(ref _round) == seen)
        {
            _beforeSleep?.Invoke();
            Interlocked.Exchange(ref worker.Asleep, 1);
            if (Volatile.Read(ref _round) == seen || Interlocked.Exchange(ref worker.Asleep, 0) == 0)
                worker.Signal.Wait();
        }
    }

    private sealed class Worker : IDisposable
    {
        public readonly SemaphoreSlim Signal = new(0);
        public Thread? Thread;
        public int Asleep;

        public void Dispose() => Signal.Dispose();
    }
}
