namespace Kvant.Evaluation.Experiments;

/// <summary>Counts steps over all threads, tells the listener, and is where a run notices that it was stopped.</summary>
internal sealed class ProgressMeter(IProgress<TraceProgress>? progress, long total, CancellationToken cancellation)
{
    private long _done;

    public void Step()
    {
        cancellation.ThrowIfCancellationRequested();
        progress?.Report(new TraceProgress(Interlocked.Increment(ref _done), total));
    }
}
