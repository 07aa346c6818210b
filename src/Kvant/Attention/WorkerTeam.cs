namespace Kvant.Attention;

/// <summary>A few threads that wait for work, so that a step costs neither a thread nor an allocation. The calling thread is one of them.</summary>
internal sealed class WorkerTeam : IDisposable
{
    // A step comes every few microseconds while a model runs; after this many looks the threads sleep until the next.
    private const int Looks = 2000;

    private readonly Thread[] _threads;
    private readonly Action<int> _work;
    private readonly SemaphoreSlim _wake = new(0);
    private int _round; // raised for each step
    private int _running;
    private int _sleeping;
    private bool _disposed;
    private Exception? _failure;

    /// <summary>Starts the threads.</summary>
    /// <param name="size">Workers, the calling thread counted, at least 1.</param>
    /// <param name="work">What each does in a step; it gets its number, 0 for the calling thread.</param>
    public WorkerTeam(int size, Action<int> work)
    {
        _work = work;
        _threads = new Thread[size - 1];
        for (int i = 0; i < _threads.Length; i++)
        {
            int worker = i + 1;
            _threads[i] = new Thread(() => Serve(worker)) { IsBackground = true, Name = "Kvant attention" };
            _threads[i].Start();
        }
    }

    /// <summary>Does one step and returns when all workers are done.</summary>
    public void Run()
    {
        if (_threads.Length == 0)
        {
            _work(0);
            return;
        }

        Volatile.Write(ref _running, _threads.Length);
        Interlocked.Increment(ref _round);
        int asleep = Interlocked.Exchange(ref _sleeping, 0);
        if (asleep > 0)
            _wake.Release(asleep);
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
        Interlocked.Increment(ref _round);
        _wake.Release(_threads.Length + 1);
        foreach (Thread thread in _threads)
            thread.Join();
        _wake.Dispose();
    }

    private void Do(int worker)
    {
        try
        {
            _work(worker);
        }
        catch (Exception failure) when (_threads.Length > 0)
        {
            // An exception would end the process on a thread of our own; the caller gets it instead.
            Interlocked.CompareExchange(ref _failure, failure, null);
        }
    }

    private void Serve(int worker)
    {
        int seen = 0;
        while (true)
        {
            AwaitRound(seen);
            seen = Volatile.Read(ref _round);
            if (Volatile.Read(ref _disposed))
                return;
            Do(worker);
            Interlocked.Decrement(ref _running);
        }
    }

    private void AwaitRound(int seen)
    {
        for (int i = 0; i < Looks; i++)
        {
            if (Volatile.Read(ref _round) != seen)
                return;
            Thread.SpinWait(10);
        }

        // Whoever raises the round after this line sees a sleeper; who raised it before is seen here.
        Interlocked.Increment(ref _sleeping);
        if (Volatile.Read(ref _round) != seen && TryStayAwake())
            return;
        do
            _wake.Wait();
        while (Volatile.Read(ref _round) == seen);
    }

    // Takes back the wish to sleep, unless a waker has counted it already: then its signal must be taken.
    private bool TryStayAwake()
    {
        int sleeping = Volatile.Read(ref _sleeping);
        while (sleeping > 0)
        {
            int found = Interlocked.CompareExchange(ref _sleeping, sleeping - 1, sleeping);
            if (found == sleeping)
                return true;
            sleeping = found;
        }

        return false;
    }
}
