using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.LanguageModels;
using Kvant.Evaluation.Metrics;

namespace Kvant.Evaluation.Tests.Support;

internal static class SampleModelReports
{
    public static ModelReport Of(params ModelResult[] results) => new()
    {
        Version = "1.2.3",
        Commit = "0123456789abcdef",
        Machine = new MachineInfo(2, "X64", 256),
        Model = new ModelInfo("a.gguf", "llama", 2, 4, 2, 64, 1000, 2048),
        Text = new TextInfo("book.txt", 9999, 16, 512),
        Sinks = 4,
        Window = 64,
        Parts = results.All(r => r.KeysOnly is not null),
        LongContext = 32768,
        ExactPerplexity = 12.5,
        KeyMeanShares = [0.1, 0.995],
        ExactSpeed = new ModelSpeed(1000, 100),
        GreedyPrompts = 2,
        GreedyTokens = 128,
        PeakMemory = 100 << 20,
        Results = results,
    };

    /// <summary>A result with made-up numbers.</summary>
    public static ModelResult Pair(string keys, string values, double bytes, double error, bool parts = false) => new()
    {
        Keys = keys,
        Values = values,
        BodyBitsPerValue = bytes / 128,
        BytesPerToken = bytes,
        Ratio = 2048 / bytes,
        LongBytesPerToken = bytes / 2,
        LongRatio = 4096 / bytes,
        Loss = Loss(error),
        KeysOnly = parts ? Loss(error / 2) : null,
        ValuesOnly = parts ? Loss(error / 3) : null,
        LayerErrors = [error, error * 2],
        GreedyDifferences = [null, 17],
        Speed = new ModelSpeed(900, 90),
    };

    private static TokenLoss Loss(double error) => new()
    {
        Perplexity = new(12.5 + error, .1),
        PerplexityRatio = new(1 + error, error / 10),
        DivergenceMean = new(error * 2, error / 5),
        DivergenceMedian = new(error, error / 10),
        DivergenceP99 = new(error * 10, error),
        DivergenceP999 = new(error * 30, error * 3),
        DivergenceMaximum = new(error * 100, error * 10),
        Top1 = new(1 - error, error / 10),
        TrueTokenChange = new(error, null),
    };
}
