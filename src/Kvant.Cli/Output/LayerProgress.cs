namespace Kvant.Cli.Output;

/// <summary>Layers that are done, as a share of all; reports at once, on the thread that does the work.</summary>
internal sealed class LayerProgress(int layers, Action<double> done) : IProgress<int>
{
    public void Report(int value) => done((double)value / layers);
}
