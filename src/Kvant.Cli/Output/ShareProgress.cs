namespace Kvant.Cli.Output;

/// <summary>What the library reports, as a share from 0 to 1; hands it on at once, on the thread that does the work.</summary>
internal sealed class ShareProgress<T>(Func<T, double> share, Action<double> done) : IProgress<T>
{
    public void Report(T value) => done(share(value));
}
