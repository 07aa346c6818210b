namespace Kvant.Evaluation.Experiments;

/// <summary>Counts steps over all threads, tells the listener the share that is done, and is where a run notices that it was stopped.</summary>
internal sealed class ShareMeter(IProgress<double>? progress, long total, CancellationToken cancellation)
{
    private long _done;

    public CancellationToken Cancellation { get; } = cancellation;

    public void Step(long tokens)
    {
        Cancellation.ThrowIfCancellationRequested();
        progress?.Report((double)Interlocked.Add(ref _done, tokens) / total);
    }
}
