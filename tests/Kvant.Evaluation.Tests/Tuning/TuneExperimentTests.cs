using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Sources;
using Kvant.Evaluation.Tests.Support;
using Kvant.Evaluation.Tuning;
using Kvant.Formats;
using Kvant.Models.Decoding;

namespace Kvant.Evaluation.Tests.Tuning;

public sealed class TuneExperimentTests : IDisposable
{
    private readonly string _memory = Path.Combine(Path.GetTempPath(), $"kvant-tune-{Guid.NewGuid():N}");

    public void Dispose() => File.Delete(_memory);

    [Fact]
    public void PolicyStaysWithinItsBudgetAndBeatsTheBestUniformChoice()
    {
        using LanguageModel model = ShippedModels.Open();
        TuneReport report = Short(TuneBudget.OfBits(3.25)).Run(model, ShippedModels.Text, cancellation: TestContext.Current.CancellationToken);
        Assert.InRange(report.Chosen.BitsPerValue, 2.25, 3.25);
        Assert.Equal(report.Chosen.BitsPerValue * 1024 / 8, report.Chosen.BytesPerToken, 9); // 4 layers, 2 heads, 64 numbers of keys and of values
        Assert.NotNull(report.BestUniform);
        Assert.True(report.BestUniform.IsUniform);
        Assert.InRange(report.BestUniform.BytesPerToken, 1, report.Chosen.BytesPerToken);
        Assert.True(report.Chosen.Verified!.DivergenceMean.Value < report.BestUniform.Verified!.DivergenceMean.Value);
        Assert.True(report.Frontier.Zip(report.Frontier.Skip(1)).All(p => p.First.BitsPerValue < p.Second.BitsPerValue && p.First.Predicted > p.Second.Predicted));
        Assert.Equal((512, 2048), (report.MeasuredTokens, report.HeldOutTokens));
        // Parts that are measured apart add up to what the model says, to a small factor.
        TokenLossIsNear(report.Chosen);
    }

    [Fact]
    public void LargestDivergenceIsKept()
    {
        using LanguageModel model = ShippedModels.Open();
        TuneReport report = Short(TuneBudget.OfDivergence(2e-4)).Run(model, ShippedModels.Text, cancellation: TestContext.Current.CancellationToken);
        Assert.InRange(report.Chosen.Verified!.DivergenceMedian.Value, 1e-6, 2e-4);
        Assert.InRange(report.Chosen.BitsPerValue, 2.25, 4.25);
    }

    [Fact]
    public void StoppedRunGoesOnWhereItWas()
    {
        using LanguageModel model = ShippedModels.Open();
        TuneExperiment experiment = Least(TuneBudget.OfBits(3)) with { MemoryPath = _memory };
        TuneReport whole = experiment.Run(model, ShippedModels.Text, cancellation: TestContext.Current.CancellationToken);
        Assert.False(File.Exists(_memory));

        using var stop = new CancellationTokenSource();
        var until = new Until(share => share > 0.5, stop.Cancel);
        Assert.ThrowsAny<OperationCanceledException>(() => experiment.Run(model, ShippedModels.Text, until, stop.Token));
        string[] kept = File.ReadAllLines(_memory);
        Assert.True(kept.Length > 8 * 4);
        TuneReport resumed = experiment.Run(model, ShippedModels.Text, cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(whole.Chosen.Policy, resumed.Chosen.Policy);
        Assert.Equal(whole.Chosen.Predicted, resumed.Chosen.Predicted);
        Assert.Equal(whole.Chosen.Verified, resumed.Chosen.Verified);

        // Of another text: measured again, not believed.
        File.WriteAllLines(_memory, ["kvant.tune 1 of something else", .. kept.Skip(1).Select(line => line.Split('\t')[0] + "\t1")]);
        Assert.Equal(whole.Chosen.Policy, experiment.Run(model, ShippedModels.Text, cancellation: TestContext.Current.CancellationToken).Chosen.Policy);
    }

    [Fact]
    public void TraceIsTunedByTheErrorOfAttention()
    {
        using Trace trace = Trace.Open(Path.Combine(AppContext.BaseDirectory, "mini-trace.safetensors"));
        TuneReport report = Short(TuneBudget.OfBytes(400)).Run(new RecordedTrace(trace), "0", cancellation: TestContext.Current.CancellationToken);
        Assert.InRange(report.Chosen.BytesPerToken, 288, 400);
        Assert.Null(report.Chosen.Verified);
        Assert.True(report.Chosen.Predicted < report.BestUniform!.Predicted);
        Assert.Throws<ArgumentException>(() => Short(TuneBudget.OfDivergence(1e-4)).Run(new RecordedTrace(trace), "0"));
    }

    [Fact]
    public void FloorIsReachedByStepsForAFullCache()
    {
        using Trace trace = Trace.Open(Path.Combine(AppContext.BaseDirectory, "mini-trace.safetensors"));
        TuneExperiment experiment = Short(TuneBudget.OfBits(3.5)) with { FloorBits = 2.5 };
        LayerPolicy policy = experiment.Run(new RecordedTrace(trace), "0").Chosen.Policy;
        TuneReport plain = (experiment with { FloorBits = null }).Run(new RecordedTrace(trace), "0"), floor = (experiment with { FloorBits = null, Budget = TuneBudget.OfBits(2.5) }).Run(new RecordedTrace(trace), "0");
        Assert.Equal(plain.Chosen.Policy, policy.Select(layer => layer with { Ages = [] }));
        Assert.Equal(floor.Chosen.Policy, policy.Select(layer => layer.Ages is [.., var last] ? new LayerSpecs(last.Keys, last.Values) : layer));
        Assert.Contains(policy, layer => layer.Ages.Count == 2);
        Assert.All(policy.SelectMany(layer => layer.Ages), step => Assert.Equal(AgeStep.WhenFull, step.Age));
        Assert.Contains("between 2.25", Assert.Throws<ArgumentException>(() => (experiment with { FloorBits = 4 }).Run(new RecordedTrace(trace), "0")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ImpossibleBudgetSaysWhatIsPossible()
    {
        using LanguageModel model = ShippedModels.Open();
        Assert.Contains("the smallest policy of these candidates takes 2.25", Assert.Throws<ArgumentException>(() => Least(TuneBudget.OfBits(1)).Run(model, ShippedModels.Text)).Message, StringComparison.Ordinal);
        Assert.Contains("No policy", Assert.Throws<ArgumentException>(() => Least(TuneBudget.OfDivergence(1e-12)).Run(model, ShippedModels.Text)).Message, StringComparison.Ordinal);
        Assert.Contains("are measured", Assert.Throws<ArgumentException>(() => Least(TuneBudget.OfBits(3)).Run(model, "Call me Ishmael.")).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => TuneBudget.OfBits(0));
        Assert.Throws<ArgumentException>(() => (Least(TuneBudget.OfBits(3)) with { Keys = [] }).Run(model, ShippedModels.Text));
    }

    private static void TokenLossIsNear(TunePoint point) =>
        Assert.InRange(point.Verified!.DivergenceMean.Value / point.Predicted, 1 / 4.0, 4);

    private static TuneExperiment Short(TuneBudget budget) => new()
    {
        Budget = budget,
        Context = 256,
        Sinks = 4,
        Window = 64,
        MeasuredChunks = 2,
        HeldOutChunks = 8,
        Keys = [CodecSpec.Parse("turboquant:bits=2"), CodecSpec.Parse("turboquant:bits=3"), CodecSpec.Parse("turboquant:bits=4")],
        Values = [CodecSpec.Parse("turboquant:bits=2,scale=leastsquares"), CodecSpec.Parse("turboquant:bits=3,scale=leastsquares"), CodecSpec.Parse("turboquant:bits=4,scale=leastsquares")],
    };

    // For what does not look at the numbers: the newest 64 of 128 tokens stay exact.
    private static TuneExperiment Least(TuneBudget budget) => Short(budget) with { Context = 128, MeasuredChunks = 1, HeldOutChunks = 1 };

    private sealed class Until(Func<double, bool> reached, Action stop) : IProgress<double>
    {
        public void Report(double value)
        {
            if (reached(value))
                stop();
        }
    }
}
