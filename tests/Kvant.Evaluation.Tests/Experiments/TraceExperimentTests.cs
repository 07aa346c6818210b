using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Metrics;
using Kvant.Evaluation.Sources;
using Kvant.Evaluation.Tests.Support;
using Kvant.Tests.Reference;

namespace Kvant.Evaluation.Tests.Experiments;

public sealed class TraceExperimentTests
{
    private static readonly LayerSpecs s_fp32 = LayerSpecs.Parse("fp32"), s_fp16 = LayerSpecs.Parse("fp16");

    [Fact]
    public void Fp32LosesExactlyNothing()
    {
        PairResult result = Run(Synthetic.Trace(), s_fp32);
        Assert.Equal((0, 0), (result.KeyNmse, result.ValueNmse));
        Assert.Equal((0.0, 1.0, 0.0), (result.LogitRmse, result.Top1, result.OutputError));
        Assert.Equal(new Distribution(0, 0, 0), result.AttentionKl);
        Assert.All(result.Layers, layer => Assert.Equal(new LayerResult(0, 0, new Distribution(0, 0, 0)), layer));
    }

    [Fact]
    public void ZeroDecoderIsExposedByEveryNumber()
    {
        MemoryTrace trace = Synthetic.Trace(tokens: 40);
        var experiment = new TraceExperiment { Source = trace, Pairs = [s_fp16], CreateCodec = (_, dimension, _) => new ZeroCodec(dimension) };
        PairResult result = experiment.Run().Results[0];
        Assert.Equal((1, 1), (result.KeyNmse, result.ValueNmse));
        Assert.Equal(1.0, result.OutputError);
        // Logits of zero are flat attention; the error is that of the exact logits, about scale * sqrt(d) here.
        Assert.InRange(result.LogitRmse!.Value, 0.5 * 0.3 * Math.Sqrt(8), 2 * 0.3 * Math.Sqrt(8));
        Assert.True(result.AttentionKl!.Median > 0.05);
        Assert.True(result.Top1 < 0.3);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void AttentionNumbersEqualTheDefinitionInDoublePrecision(int threads)
    {
        MemoryTrace trace = Synthetic.Trace(layers: 2, kvHeads: 2, queryHeads: 6, tokens: 33, seed: 5);
        const float keyFactor = 0.8f, valueFactor = 1.1f;
        var experiment = new TraceExperiment
        {
            Source = trace,
            Pairs = [s_fp32],
            Threads = threads,
            CreateCodec = (_, dimension, role) => new ScalingCodec(dimension, role == CodecRole.Keys ? keyFactor : valueFactor),
        };
        PairResult result = experiment.Run().Results[0];

        double logitError = 0, outputError = 0, outputEnergy = 0;
        int logits = 0, same = 0;
        var divergence = new List<double>();
        var firstLayer = new List<double>();
        for (int layer = 0; layer < 2; layer++)
        {
            for (int head = 0; head < 6; head++)
            {
                float[] q = new float[33 * 8], k = new float[33 * 8], v = new float[33 * 6];
                trace.ReadQueries(layer, head, q);
                trace.ReadKeys(layer, head / 3, k);
                trace.ReadValues(layer, head / 3, v);
                float[] k2 = [.. k.Select(x => x * keyFactor)], v2 = [.. v.Select(x => x * valueFactor)];
                for (int t = 0; t < 33; t++)
                {
                    double[] a = ReferenceAttention.Logits(q, k, t, 8, 0.3), b = ReferenceAttention.Logits(q, k2, t, 8, 0.3);
                    double[] p = ReferenceAttention.Softmax(a), r = ReferenceAttention.Softmax(b);
                    logitError += a.Zip(b, (x, y) => (x - y) * (x - y)).Sum();
                    logits += t + 1;
                    double[] o = ReferenceAttention.Output(p, v, 6), o2 = ReferenceAttention.Output(r, v2, 6);
                    outputError += o.Zip(o2, (x, y) => (x - y) * (x - y)).Sum();
                    outputEnergy += o.Sum(x => x * x);
                    if (t == 0)
                        continue;
                    divergence.Add(ReferenceAttention.Divergence(p, r));
                    if (layer == 0)
                        firstLayer.Add(divergence[^1]);
                    same += Array.IndexOf(p, p.Max()) == Array.IndexOf(r, r.Max()) ? 1 : 0;
                }
            }
        }

        // 32-bit dot products against double precision: relative errors around 1e-7, divergences around 1e-3.
        Near(Math.Sqrt(logitError / logits), result.LogitRmse!.Value);
        Near(outputError / outputEnergy, result.OutputError!.Value);
        Near(divergence.Average(), result.AttentionKl!.Mean);
        Near(divergence.Order().ElementAt(divergence.Count / 2), result.AttentionKl.Median, 0.05);
        Near(firstLayer.Average(), result.Layers[0].AttentionKl!.Mean);
        Assert.Equal((double)same / divergence.Count, result.Top1);
        Near(0.04, result.KeyNmse);
        Near(0.01, result.ValueNmse);

        static void Near(double wanted, double found, double tolerance = 1e-4) => Assert.InRange(found / wanted, 1 - tolerance, 1 + tolerance);
    }

    [Theory]
    [InlineData("fp32", "fp16", 20)]
    [InlineData("fp16", "fp16", 7)]
    public void BytesEqualTheMemoryEstimate(string keys, string values, int tokens)
    {
        MemoryTrace trace = Synthetic.Trace(tokens: tokens);
        var pair = LayerSpecs.Parse(keys, values);
        PairResult result = Run(trace, pair);
        var estimate = MemoryEstimate.For(trace.Geometry, LayerPolicy.Uniform(2, pair.Keys, pair.Values), tokens);
        Assert.Equal((double)estimate.TotalBytes / tokens, result.BytesPerToken, 12);
        Assert.Equal(estimate.BitsPerValue, result.BitsPerValue, 12);
        Assert.Equal(estimate.CompressionRatio, result.Ratio, 12);
    }

    [Fact]
    public void BlocksStateAndTailAreCounted()
    {
        var experiment = new TraceExperiment { Source = Synthetic.Trace(tokens: 11), Pairs = [s_fp16], CreateCodec = (_, dimension, _) => new GroupCodec(dimension) };
        long head = (8 * 4 * (8 + 6)) + (2 * 3) + (3 * 2 * (8 + 6));
        Assert.Equal(4 * head / 11.0, experiment.Run().Results[0].BytesPerToken, 12);
    }

    [Fact]
    public void PolicyHasInEachLayerWhatItsPairHasThere()
    {
        MemoryTrace trace = Synthetic.Trace();
        LayerSpecs first = LayerSpecs.Parse("bf16", "fp32"), second = LayerSpecs.Parse("fp16", "bf16");
        var policy = new NamedPolicy("mixed", new LayerPolicy([new(first.Keys, first.Values), new(second.Keys, second.Values)]));
        IReadOnlyList<PairResult> all = new TraceExperiment { Source = trace, Pairs = [first, second], Policies = [policy] }.Run().Results;
        Assert.Equal(["bf16 / fp32", "fp16 / bf16", "mixed"], all.Select(r => r.Label));
        Assert.Equal([all[0].Layers[0], all[1].Layers[1]], all[2].Layers);
        Assert.Equal((all[0].BytesPerToken + all[1].BytesPerToken) / 2, all[2].BytesPerToken, 9);
        Assert.Equal(("bf16 | fp16", "fp32 | bf16"), (all[2].Keys, all[2].Values));
        var shorter = new TraceExperiment { Source = trace, Pairs = [], Policies = [policy with { Layers = LayerPolicy.Uniform(1, first.Keys, first.Values) }] };
        Assert.Contains("'mixed' has 1 layers; 2", Assert.Throws<ArgumentException>(() => shorter.Run()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void PairsKeepTheirOrderAndThreadsChangeNothing()
    {
        MemoryTrace trace = Synthetic.Trace();
        LayerSpecs[] pairs = [s_fp32, LayerSpecs.Parse("fp16", "fp32"), s_fp16, LayerSpecs.Parse("fp32", "fp16")];
        IReadOnlyList<PairResult> one = new TraceExperiment { Source = trace, Pairs = pairs }.Run().Results;
        IReadOnlyList<PairResult> four = new TraceExperiment { Source = trace, Pairs = pairs, Threads = 4 }.Run().Results;
        Assert.Equal(pairs.Select(p => (p.Keys.FullText, p.Values.FullText)), one.Select(r => (r.Keys, r.Values)));
        Assert.Equal(one.Select(Comparable), four.Select(Comparable));
        Assert.Equal(one[1].LogitRmse, one[2].LogitRmse);
        Assert.Equal(one[2].ValueNmse, one[3].ValueNmse);
        Assert.True(one[1].OutputError > 0 && one[3].OutputError > 0);
        Assert.Equal(0.0, one[3].LogitRmse);

        static PairResult Comparable(PairResult result) => result with { Layers = [] };
    }

    [Fact]
    public void TraceWithoutQueriesHasNoAttentionNumbers()
    {
        PairResult result = Run(Synthetic.Trace(queryHeads: 0), s_fp16);
        Assert.True(result.KeyNmse is > 0 and < 1e-6);
        Assert.Null(result.LogitRmse ?? result.Top1 ?? result.OutputError);
        Assert.Null(result.AttentionKl);
        Assert.All(result.Layers, layer => Assert.Null(layer.AttentionKl));
    }

    [Fact]
    public void OneTokenIsEnough()
    {
        PairResult result = Run(Synthetic.Trace(tokens: 1), s_fp16);
        Assert.Equal(1.0, result.Top1);
        Assert.Equal(new Distribution(0, 0, 0), result.AttentionKl);
    }

    [Fact]
    public void ProgressCountsUpToItsTotal()
    {
        var steps = new List<double>();
        var experiment = new TraceExperiment { Source = Synthetic.Trace(tokens: 70), Pairs = [s_fp32, s_fp16] };
        experiment.Run(new Listener(steps.Add));
        // 4 heads of 2 key codecs, 2 value codecs and 2 query heads of 3 tiles.
        Assert.Equal(Enumerable.Range(1, 40).Select(i => i / 40.0), steps);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void CancellationStopsTheRun(int threads)
    {
        using var source = new CancellationTokenSource();
        double last = 0;
        int reports = 0;
        LayerSpecs[] pairs = [.. Enumerable.Repeat(s_fp32, 200)];
        var experiment = new TraceExperiment { Source = Synthetic.Trace(tokens: 70), Pairs = pairs, Threads = threads };
        Assert.ThrowsAny<OperationCanceledException>(() => experiment.Run(
            new Listener(p =>
            {
                last = Math.Max(last, p);
                if (Interlocked.Increment(ref reports) == 3)
                    source.Cancel();
            }),
            source.Token));
        // The other thread may finish what it has begun, and a slow machine lets it begin a little more.
        Assert.InRange(last, double.Epsilon, 0.5);
    }

    [Fact]
    public void NumberThatDoesNotFitIsNamed()
    {
        var geometry = new CacheGeometry { Layers = 1, KvHeads = 1, KeyDimension = 2, ValueDimension = 2 };
        var trace = new MemoryTrace(geometry, 2, [[1, 2, 1e6f, 4]], [[1, 2, 3, 4]]);
        var error = Assert.Throws<ArgumentException>(() => Run(trace, s_fp16));
        Assert.Contains("1000000", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WrongOptionsAreRefused()
    {
        MemoryTrace trace = Synthetic.Trace();
        Assert.Throws<ArgumentException>(() => new TraceExperiment { Source = trace, Pairs = [] }.Run());
        Assert.Throws<ArgumentOutOfRangeException>(() => new TraceExperiment { Source = trace, Pairs = [s_fp16], Threads = 0 }.Run());
    }

    private static PairResult Run(ITraceSource trace, LayerSpecs pair) => new TraceExperiment { Source = trace, Pairs = [pair] }.Run().Results[0];

    private sealed class Listener(Action<double> action) : IProgress<double>
    {
        public void Report(double value) => action(value);
    }
}
