using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Sources;
using Kvant.Evaluation.Tests.Support;
using Kvant.Formats;
using Kvant.Tests.Reference;

namespace Kvant.Evaluation.Tests.Experiments;

public sealed class DefaultCodecsTests
{
    [Fact]
    public void EveryCompressingMethodIsCompared()
    {
        IEnumerable<string> compared = DefaultCodecs.Pairs.SelectMany(p => new[] { p.Keys.Method.Name, p.Values.Method.Name }).Distinct();
        Assert.Empty(CodecCatalog.Methods.Select(m => m.Name).Where(name => CodecSpec.Parse(name).CreateCodec(128).BitsPerValue < 16).Except(compared));
        Assert.Equal(DefaultCodecs.Pairs.Count, DefaultCodecs.Pairs.Distinct().Count());
    }

    [Theory]
    [InlineData(9)] // nothing calibrates and no group is full
    [InlineData(150)] // blocks and tails
    [InlineData(160)]
    public void BytesEqualTheMemoryEstimate(int tokens)
    {
        MemoryTrace trace = Synthetic.Trace(layers: 1, kvHeads: 2, queryHeads: 0, tokens: tokens, keys: 64, values: 64);
        IReadOnlyList<PairResult> results = new TraceExperiment { Source = trace, Pairs = DefaultCodecs.Pairs }.Run().Results;
        foreach ((LayerSpecs pair, PairResult result) in DefaultCodecs.Pairs.Zip(results))
        {
            var estimate = MemoryEstimate.For(trace.Geometry, LayerPolicy.Uniform(1, pair.Keys, pair.Values), tokens);
            Assert.True(Math.Abs(((double)estimate.TotalBytes / tokens) - result.BytesPerToken) < 1e-9, $"{pair}: {result.BytesPerToken} bytes, {estimate.TotalBytes / (double)tokens} estimated");
        }
    }

    [Fact]
    public void ShippedTraceOrdersTheCodecsAsTheoryDoes()
    {
        using Trace file = Trace.Open(Path.Combine(AppContext.BaseDirectory, "mini-trace.safetensors"));
        LayerSpecs[] pairs = [Turbo(4), Turbo(3), Turbo(2), LayerSpecs.Parse("q8", "turboquant:bits=3,scale=leastsquares")];
        IReadOnlyList<PairResult> results = new TraceExperiment { Source = new RecordedTrace(file), Pairs = pairs, Threads = 2 }.Run().Results;

        // Least squares on a randomly rotated row is within a few percent of the optimum for d = 64, whatever the row.
        double[] optimum = [0.009132, 0.033391, 0.114526];
        double[] bytes = [2 * 8 * 34, 2 * 8 * 26, 2 * 8 * 18];
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(bytes[i], results[i].BytesPerToken);
            Assert.InRange(results[i].ValueNmse, optimum[i] * 0.9, optimum[i] * 1.1);
            Assert.InRange(results[i].KeyNmse, optimum[i] * 0.9, optimum[i] * 1.15);
        }

        for (int i = 1; i < 3; i++)
        {
            Assert.True(results[i].AttentionKl!.Median > 2 * results[i - 1].AttentionKl!.Median);
            Assert.True(results[i].LogitRmse > 1.5 * results[i - 1].LogitRmse);
            Assert.True(results[i].OutputError > 2 * results[i - 1].OutputError);
            Assert.True(results[i].Top1 < results[i - 1].Top1);
        }

        Assert.Equal(results[1].ValueNmse, results[3].ValueNmse);
        Assert.True(results[3].AttentionKl!.Median < results[0].AttentionKl!.Median / 20);
        Assert.All(results, r => Assert.Equal(4, r.Layers.Count));

        static LayerSpecs Turbo(int bits) => LayerSpecs.Parse($"turboquant:bits={bits},scale=corrected", $"turboquant:bits={bits},scale=leastsquares");
    }
}
