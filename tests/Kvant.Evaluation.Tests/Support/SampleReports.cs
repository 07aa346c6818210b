using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Metrics;

namespace Kvant.Evaluation.Tests.Support;

internal static class SampleReports
{
    public static TraceReport Of(params PairResult[] results) => new()
    {
        Trace = new TraceInfo("synthetic", 2, 2, 4, 20, 64, 64),
        Version = "1.2.3",
        Machine = new MachineInfo(2, "X64", 256),
        Results = results,
    };

    /// <summary>A result with made-up numbers that are all different.</summary>
    public static PairResult Pair(string keys, string values, double bytes, double error, bool queries = true, int layers = 2) => new()
    {
        Keys = keys,
        Values = values,
        BytesPerToken = bytes,
        BitsPerValue = bytes / 64,
        Ratio = 1024 / bytes,
        KeyNmse = error * 10,
        ValueNmse = error * 11,
        LogitRmse = queries ? error * 12 : null,
        AttentionKl = queries ? new Distribution(error * 2, error, error * 20) : null,
        Top1 = queries ? 0.5 : null,
        OutputError = queries ? error * 3 : null,
        Layers = [.. Enumerable.Range(1, layers).Select(l => new LayerResult(error * l, error * l, queries ? new Distribution(error, error * l, error) : null))],
    };
}
