using System.Numerics.Tensors;
using Kvant.Caching;
using Kvant.Evaluation.LanguageModels;
using Kvant.Evaluation.Metrics;
using Kvant.Evaluation.Tests.Support;
using Kvant.Models.Decoding;
using Kvant.Models.Tokenizers;

namespace Kvant.Evaluation.Tests.LanguageModels;

public sealed class ModelExperimentTests
{
    private static readonly string s_text = ShippedModels.Text[..6000];

    [Fact]
    public void ExactCacheLosesNothingAndFewerBitsLoseMore()
    {
        using LanguageModel model = ShippedModels.Open();
        ModelReport report = Experiment(model, "fp32", "fp16", "turboquant:bits=4", "turboquant:bits=3", "turboquant:bits=2").Run(cancellation: TestContext.Current.CancellationToken);
        TokenLoss exact = report.Results[0].Loss;
        Assert.Equal((0, 0, 1, 1, 0), (exact.DivergenceMedian.Value, exact.DivergenceMaximum.Value, exact.Top1.Value, exact.PerplexityRatio.Value, exact.TrueTokenChange.Value));
        Assert.All(report.Results[0].LayerErrors, e => Assert.Equal(0, e));
        Assert.All(report.Results[0].GreedyDifferences, Assert.Null);
        Assert.InRange(report.Results[1].Loss.DivergenceMedian.Value, 1e-10, 1e-7);
        for (int i = 2; i < report.Results.Count; i++)
        {
            Assert.True(report.Results[i].Loss.DivergenceMedian.Value > 2 * report.Results[i - 1].Loss.DivergenceMedian.Value);
            Assert.True(report.Results[i].Loss.TrueTokenChange.Value > report.Results[i - 1].Loss.TrueTokenChange.Value);
            Assert.All(report.Results[i].LayerErrors.Zip(report.Results[i - 1].LayerErrors), e => Assert.True(e.First > e.Second));
        }

        Assert.Equal([16, 4.25, 3.25, 2.25], report.Results.Skip(1).Select(r => r.BodyBitsPerValue));
        Assert.InRange(report.ExactPerplexity, 15, 80);
    }

    [Fact]
    public void ThreadsDoNotChangeTheNumbers()
    {
        using LanguageModel model = ShippedModels.Open();
        ModelExperiment experiment = Experiment(model, "turboquant:bits=3") with { Context = 128 };
        ModelReport one = experiment.Run(cancellation: TestContext.Current.CancellationToken);
        ModelReport three = (experiment with { Threads = 3 }).Run(cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(one.Results[0].Loss, three.Results[0].Loss);
        Assert.Equal(one.Results[0].LayerErrors, three.Results[0].LayerErrors);
        Assert.Equal(one.KeyMeanShares, three.KeyMeanShares);
        Assert.Equal(one.Results[0].BytesPerToken, three.Results[0].BytesPerToken);
    }

    [Fact]
    public void TextsSideBySideAreThoseThatADecoderWritesAlone()
    {
        using LanguageModel model = ShippedModels.Open();
        ModelExperiment experiment = Experiment(model, "turboquant:bits=2") with { Context = 128, Chunks = 3, Sinks = 4, Window = 16 };
        ModelReport report = experiment.Run(cancellation: TestContext.Current.CancellationToken);
        var tokenizer = Tokenizer.Read(model.File);
        TextChunk[] chunks = TextChunk.Cut(tokenizer.Encode(s_text, addBegin: false), tokenizer.AddsBegin ? tokenizer.Begin : null, experiment.Context, experiment.Chunks);
        int?[] expected = [.. chunks.Select(chunk => Write(experiment.ExactPolicy, chunk).AsSpan().CommonPrefixLength(Write(experiment.Contestants[0].Layers, chunk)) is var same && same == 128 ? null : (int?)same)];
        Assert.Contains(expected, first => first is not null);
        Assert.Equal(expected, report.Results[0].GreedyDifferences);

        int[] Write(LayerPolicy policy, TextChunk chunk)
        {
            using var reader = new Reader(model, experiment.CacheOptions(policy), 64, threads: 1, tokenByToken: false);
            float[] logits = new float[model.VocabularySize];
            int[] text = new int[128];
            reader.Decoder.Forward(chunk.Inputs.Span[..64], logits);
            for (int i = 0; i < text.Length; i++)
            {
                text[i] = TensorPrimitives.IndexOfMax<float>(logits);
                reader.Decoder.Forward([text[i]], logits);
            }

            return text;
        }
    }

    [Fact]
    public void PartsCompressOneSideAlone()
    {
        using LanguageModel model = ShippedModels.Open();
        ModelReport report = (Experiment(model, "turboquant:bits=3") with { Pairs = [LayerSpecs.Parse("turboquant:bits=2", "fp32"), LayerSpecs.Parse("fp32", "turboquant:bits=2")], Parts = true, Context = 128, Chunks = 2 })
            .Run(cancellation: TestContext.Current.CancellationToken);
        ModelResult keys = report.Results[0], values = report.Results[1];
        Assert.Equal(keys.Loss, keys.KeysOnly);
        Assert.Equal(values.Loss, values.ValuesOnly);
        Assert.Equal(0, keys.ValuesOnly!.DivergenceMaximum.Value);
        Assert.Equal(0, values.KeysOnly!.DivergenceMaximum.Value);
    }

    // Its card: the mean has 99 % of the key energy in the first and the last layer.
    [Fact]
    public void SharedVectorOfTheKeysIsFoundAndRuinsOneScaleByRow()
    {
        using LanguageModel plain = ShippedModels.Open(), biased = ShippedModels.Open("mini-bias.gguf");
        ModelReport good = Experiment(plain, "turboquant:bits=4").Run(cancellation: TestContext.Current.CancellationToken);
        ModelReport bad = Experiment(biased, "turboquant:bits=4").Run(cancellation: TestContext.Current.CancellationToken);
        Assert.All(good.KeyMeanShares, share => Assert.InRange(share, 0, 0.5));
        Assert.InRange(bad.KeyMeanShares[0], 0.98, 1);
        Assert.InRange(bad.KeyMeanShares[^1], 0.98, 1);
        Assert.True(bad.Results[0].Loss.DivergenceMedian.Value > 20 * good.Results[0].Loss.DivergenceMedian.Value);
    }

    // Its card: biases in pairs that turn within 32 rows, which no mean of neighbors takes away. docs/methods/frames.md has the numbers of a longer text.
    [Fact]
    public void FramesHoldWhereWhatKeysShareTurnsFast()
    {
        using LanguageModel model = ShippedModels.Open("mini-bias-fast.gguf");
        ModelReport report = (Experiment(model, "fp16") with
        {
            Context = 512,
            Chunks = 1,
            Pairs = [.. ((string[])["turboquant:bits=4,frame=balanced", "turboquant:bits=4,mean=32", "turboquant:bits=4"]).Select(keys => LayerSpecs.Parse(keys, "turboquant:bits=4,scale=unbiased"))],
        }).Run(cancellation: TestContext.Current.CancellationToken);
        double[] medians = [.. report.Results.Select(r => r.Loss.DivergenceMedian.Value)];
        Assert.True(medians[1] > 3 * medians[0] && medians[2] > 30 * medians[0], string.Join(", ", medians));
    }

    [Fact]
    public void BytesAreThoseOfTheCache()
    {
        using LanguageModel model = ShippedModels.Open();
        ModelReport report = (Experiment(model, "fp16") with { Context = 512, Chunks = 1, LongContext = 100_000 }).Run(cancellation: TestContext.Current.CancellationToken);
        // 4 layers x 2 heads x (key + value) x 64 numbers x 2 bytes, and a part of a page that waits for rows.
        Assert.InRange(report.Results[0].BytesPerToken, 2048, 1.15 * 2048);
        Assert.InRange(report.Results[0].LongBytesPerToken, 2048, 1.01 * 2048);
        Assert.Equal(1, report.Text.Chunks);
        Assert.Null(report.Results[0].Loss.DivergenceMedian.StandardError);
    }

    [Fact]
    public void TextThatFillsNoChunkIsRefused()
    {
        using LanguageModel model = ShippedModels.Open();
        ArgumentException refused = Assert.Throws<ArgumentException>(() => (Experiment(model, "fp16") with { Text = "Call me Ishmael." }).Run());
        Assert.Contains("256", refused.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => (Experiment(model, "fp16") with { Pairs = [] }).Run());
        Assert.Throws<ArgumentOutOfRangeException>(() => (Experiment(model, "fp16") with { Context = 1 }).Run());
        using var stopped = new CancellationTokenSource();
        stopped.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => Experiment(model, "fp16").Run(cancellation: stopped.Token));
    }

    [Fact]
    public void ProgressEndsAtOne()
    {
        using LanguageModel model = ShippedModels.Open();
        var seen = new Shares();
        (Experiment(model, "fp16", "q8_0") with { Context = 128, Chunks = 2 }).Run(seen, TestContext.Current.CancellationToken);
        Assert.Equal(1, seen.Last, 12);
    }

    [Fact]
    public void ChunksNeitherOverlapNorMissATarget()
    {
        int[] text = [.. Enumerable.Range(10, 25)];
        TextChunk[] with = TextChunk.Cut(text, 1, 8, 16), without = TextChunk.Cut(text, null, 8, 16);
        Assert.Equal(3, with.Length);
        Assert.Equal([1, 10, 11, 12, 13, 14, 15, 16], with[0].Inputs.ToArray());
        Assert.Equal([10, 11, 12, 13, 14, 15, 16, 17], with[0].Targets.ToArray());
        Assert.Equal(18, with[1].Targets.Span[0]);
        Assert.Equal([10, 11, 12, 13, 14, 15, 16, 17], without[0].Inputs.ToArray());
        Assert.Equal([11, 12, 13, 14, 15, 16, 17, 18], without[0].Targets.ToArray());
        Assert.Equal(3, without.Length);
        Assert.Equal(2, TextChunk.Cut(text[..24], null, 8, 16).Length);
        Assert.Empty(TextChunk.Cut(text[..7], 1, 8, 16));
        Assert.Single(TextChunk.Cut(text, 1, 8, 1));
    }

    private static ModelExperiment Experiment(LanguageModel model, params string[] codecs) => new()
    {
        Model = model,
        Text = s_text,
        Pairs = [.. codecs.Select(c => LayerSpecs.Parse(c))],
        Context = 256,
        Chunks = 4,
        Sinks = 4,
        Window = 64,
    };

    private sealed class Shares : IProgress<double>
    {
        public double Last { get; private set; }

        public void Report(double value) => Last = Math.Max(Last, value);
    }
}
