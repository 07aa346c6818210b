using Kvant.Caching;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Metrics;
using Kvant.Evaluation.Sources;
using Kvant.Formats;

namespace Kvant.Evaluation.Tests.Sources;

public sealed class RecordedTraceTests
{
    [Fact]
    public void ShippedTraceLosesNothingInTheHalfPrecisionThatItIsStoredIn()
    {
        using Trace file = Trace.Open(Path.Combine(AppContext.BaseDirectory, "mini-trace.safetensors"));
        TraceReport report = new TraceExperiment { Source = new RecordedTrace(file), Pairs = [LayerSpecs.Parse("fp16")], Threads = 2 }.Run();
        Assert.Equal(new TraceInfo("mini-trace.safetensors", 4, 2, 4, 512, 64, 64), report.Trace);
        PairResult result = report.Results[0];
        Assert.Equal((2048, 16, 1), (result.BytesPerToken, result.BitsPerValue, result.Ratio));
        Assert.Equal((0, 0), (result.KeyNmse, result.ValueNmse));
        Assert.Equal((0.0, 1.0, 0.0), (result.LogitRmse, result.Top1, result.OutputError));
        Assert.Equal(new Distribution(0, 0, 0), result.AttentionKl);
    }

    [Fact]
    public void RowsAreThoseOfTheFile()
    {
        using Trace file = Trace.Open(Path.Combine(AppContext.BaseDirectory, "mini-trace.safetensors"));
        var source = new RecordedTrace(file);
        float[] keys = new float[512 * 64], query = new float[512 * 64], again = new float[512 * 64];
        source.ReadKeys(3, 1, keys);
        file.ReadKeys(3, 1, again);
        Assert.Equal(again, keys);
        source.ReadValues(0, 1, keys);
        file.ReadValues(0, 1, again);
        Assert.Equal(again, keys);
        source.ReadQueries(2, 3, query);
        file.ReadQueries(2, 3, again);
        Assert.Equal(again, query);
        Assert.Equal(0.125, source.SoftmaxScale);
    }
}
