namespace Kvant.Cli.Output;

/// <summary>Hands what the library reports on at once, on the thread that does the work.</summary>
internal sealed class ShareProgress<T>(Func<T, double> share, Action<double> done) : IProgress<T>
{
    public void Report(T value) => done(share(value));
}

/// <summary>For reports that are a share from 0 to 1 already.</summary>
internal sealed class ShareProgress(Action<double> done) : IProgress<double>
{
    public void Report(double value) => done(value);
}
