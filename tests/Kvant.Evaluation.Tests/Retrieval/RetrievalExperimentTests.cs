using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Retrieval;
using Kvant.Evaluation.Sources;

namespace Kvant.Evaluation.Tests.Retrieval;

public sealed class RetrievalExperimentTests
{
    [Theory]
    [InlineData(64, 16_384)]
    [InlineData(128, 4096)]
    public void Fp32FindsEverythingAtAnyLengthAndDepth(int dimension, int longest)
    {
        int[] lengths = [.. new[] { 1024, 4096, 16_384 }.Where(n => n <= longest)];
        var experiment = new RetrievalExperiment { Pairs = [LayerSpecs.Parse("fp32")], Lengths = lengths, HeadDimensions = [dimension], QuestionsPerDepth = 4, Threads = 2 };
        IReadOnlyList<RetrievalResult> results = experiment.Run();
        Assert.Equal(lengths, results.Select(r => r.Length));
        Assert.All(results, r => Assert.All(r.RightByDepth, share => Assert.Equal(1, share)));
        Assert.All(results, r => Assert.Equal(10, r.RightByDepth.Count));
    }

    [Fact]
    public void EachCodecFailsAsOftenAsItsNoiseSays()
    {
        int[] bits = [1, 2, 3, 4], lengths = [1024, 4096];
        LayerSpecs[] pairs = [.. bits.Select(b => LayerSpecs.Parse($"turboquant:bits={b},scale=corrected", "q8_0"))];
        var experiment = new RetrievalExperiment { Pairs = pairs, Lengths = lengths, Threads = 2 };
        IReadOnlyList<RetrievalResult> results = experiment.Run();
        double questions = experiment.Depths * experiment.QuestionsPerDepth;
        Assert.All(results, r =>
        {
            double expected = RetrievalTheory.FailureRate(r.Length, Noise(CodecSpec.Parse(r.Keys)));
            // Three standard deviations of independent questions, and one question more, for shares near 0 are no bell curve.
            double band = (3 * Math.Sqrt(expected * (1 - expected) / questions)) + (1 / questions);
            Assert.InRange(1 - r.Right, Math.Max(0, expected - band), expected + band);
        });
        double[] right = [.. results.Where(r => r.Length == 4096).Select(r => r.Right)];
        Assert.Equal(1, right[3]);
        Assert.True(right[1] < 0.95 && right[0] < 0.5, $"{right[1]}, {right[0]}");
        Assert.True(results.Zip(results.Skip(2), (few, many) => many.BytesPerToken > few.BytesPerToken).All(more => more));
    }

    [Fact]
    public void ResultsDoNotDependOnThreads()
    {
        RetrievalExperiment experiment = Small("turboquant:bits=1", "kivi:bits=2", "outlier:bits=2", "fp16");
        Assert.Equal(Texts(experiment.Run()), Texts((experiment with { Threads = 3 }).Run()));
    }

    [Fact]
    public void LengthsOfOneRunEqualRunsOfTheirOwn()
    {
        RetrievalExperiment both = Small("turboquant:bits=1") with { Lengths = [512, 300, 512] };
        string[] results = Texts(both.Run());
        Assert.Equal(results[1], results[2]);
        Assert.Equal(Texts((both with { Lengths = [300, 512] }).Run()), results[..2]);
    }

    [Fact]
    public void ProgressEndsAtTheTotalAndARunCanBeStopped()
    {
        RetrievalExperiment experiment = Small("fp16");
        var told = new Progress();
        experiment.Run(told);
        Assert.Equal(1, told.Last);
        Assert.Throws<OperationCanceledException>(() => experiment.Run(cancellation: new CancellationToken(canceled: true)));
    }

    [Fact]
    public void SettingsThatDoNotFitAreRefused()
    {
        RetrievalExperiment experiment = Small("fp16");
        Assert.Throws<ArgumentException>(() => (experiment with { Pairs = [] }).Run());
        Assert.Throws<ArgumentException>(() => (experiment with { Lengths = [2] }).Run());
        Assert.Throws<ArgumentException>(() => (experiment with { HeadDimensions = [] }).Run());
        Assert.Throws<ArgumentOutOfRangeException>(() => (experiment with { HeadDimensions = [16] }).Run());
        Assert.Throws<ArgumentOutOfRangeException>(() => (experiment with { QuestionsPerDepth = 0 }).Run());
    }

    private static RetrievalExperiment Small(params string[] specs) => new()
    {
        Pairs = [.. specs.Select(s => LayerSpecs.Parse(s))],
        Lengths = [300, 512],
        Depths = 5,
        QuestionsPerDepth = 4,
        Window = 16,
    };

    private static string[] Texts(IEnumerable<RetrievalResult> results) =>
        [.. results.Select(r => $"{r.Label} {r.Length} {r.BytesPerToken} {string.Join(' ', r.RightByDepth)}")];

    // Along a key a decoded key has the cosine c, across it the rest: noise in units of the signal, in the channels that a query reads.
    private static double Noise(CodecSpec keys)
    {
        const int d = 64;
        double cosine = new VectorMeasurement { Repetitions = 0 }.Run(RandomVectors.Unit(1024, d, 9), d, keys).Cosine;
        return (1 - (cosine * cosine)) / (cosine * cosine) * (1 - ((double)InductionModel.MatchedChannels / d));
    }

    private sealed class Progress : IProgress<double>
    {
        public double Last { get; private set; }

        public void Report(double value) => Last = value;
    }
}
