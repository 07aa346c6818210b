namespace Kvant.Attention;

/// <summary>A few threads that wait for work, so that a step costs neither a thread nor an allocation. The calling thread is one of them.</summary>
internal sealed class WorkerTeam : IDisposable
{
    // A step comes every few microseconds while a model runs; after this many looks a thread sleeps until the next.
    private const int Looks = 2000;

    private readonly Worker[] _workers;
    private readonly Action<int> _work;
    private int _round; // raised for each step
    private int _running;
    private bool _disposed;
    private Exception? _failure;

    /// <summary>Starts the threads.</summary>
    /// <param name="size">Workers, the calling thread counted, at least 1.</param>
    /// <param name="work">What each does in a step; it gets its number, 0 for the calling thread.</param>
    public WorkerTeam(int size, Action<int> work)
    {
        _work = work;
        _workers = new Worker[size - 1];
        for (int i = 0; i < _workers.Length; i++)
        {
            int number = i + 1;
            var worker = new Worker();
            worker.Thread = new Thread(() => Serve(worker, number)) { IsBackground = true, Name = "Kvant attention" };
            _workers[i] = worker;
        }

        foreach (Worker worker in _workers)
            worker.Thread!.Start();
    }

    /// <summary>Does one step and returns when all workers are done.</summary>
    /// <param name="alone">Whether the calling thread does it all: waking others costs more than a small step.</param>
    public void Run(bool alone = false)
    {
        if (alone || _workers.Length == 0)
        {
            _work(0);
            return;
        }

        Volatile.Write(ref _running, _workers.Length);
        Wake();
        Do(0);
        var spinner = default(SpinWait);
        while (Volatile.Read(ref _running) > 0)
            spinner.SpinOnce(sleep1Threshold: -1);
        if (Interlocked.Exchange(ref _failure, null) is { } failure)
            throw new InvalidOperationException($"A worker thread failed: {failure.Message}", failure);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
            return;
        Volatile.Write(ref _disposed, true);
        Wake();
        foreach (Worker worker in _workers)
        {
            worker.Thread!.Join();
            worker.Dispose();
        }
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
            _work(number);
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
            if (Volatile.Read(ref _disposed))
                return;
            Do(number);
            Interlocked.Decrement(ref _running);
        }
    }

    private void AwaitRound(Worker worker, int seen)
    {
        for (int i = 0; i < Looks; i++)
        {
            if (Volatile.Read(ref _round) != seen)
                return;
            Thread.SpinWait(10);
        }

        // Either this thread sees the new round after it said that it sleeps, or the caller sees it asleep after raising the round.
        // Who takes the flag back decides: a caller that did has sent a signal, which must be taken.
        Interlocked.Exchange(ref worker.Asleep, 1);
        if (Volatile.Read(ref _round) != seen && Interlocked.Exchange(ref worker.Asleep, 0) == 1)
            return;
        worker.Signal.Wait();
    }

    private sealed class Worker : IDisposable
    {
        public readonly SemaphoreSlim Signal = new(0);
        public Thread? Thread;
        public int Asleep;

        public void Dispose() => Signal.Dispose();
    }
}
