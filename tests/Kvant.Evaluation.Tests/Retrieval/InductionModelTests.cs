using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Retrieval;
using Kvant.Models.Decoding;

namespace Kvant.Evaluation.Tests.Retrieval;

public sealed class InductionModelTests
{
    // What layer one may give to all tokens but the previous one, so that nothing of them is seen in single precision.
    private const double StrayWeight = 1e-6;

    // Codes are unit vectors that passed a norm and a mix of values with weights of 1: a few roundings of 6e-8, and the stray weight.
    private const double SameCode = 1e-5;

    [Theory]
    [InlineData(64, 0)]
    [InlineData(64, 64_000)]
    [InlineData(128, 15_000)]
    public void LayerOneAttendsToThePreviousToken(int dimension, int position)
    {
        const int tokens = 1000;
        using InductionFile file = new(dimension, tokens);
        using Recorder recorder = new(file.Model.CacheGeometry) { FirstPosition = position };
        using Decoder decoder = new(file.Model, recorder, new DecoderOptions { Batch = tokens });
        decoder.Forward([.. Enumerable.Range(0, tokens)], new float[tokens]);
        for (int t = 1; t < tokens; t += 37)
        {
            double[] logits = [.. Enumerable.Range(0, t + 1).Select(s => Dot(recorder.Queries[0], t, recorder.Keys[0], s, dimension) / Math.Sqrt(dimension))];
            double sum = logits.Sum(l => Math.Exp(l - logits[t - 1]));
            Assert.InRange(sum - 1, 0, StrayWeight);
        }
    }

    [Fact]
    public void DistantTokensStayBehindThePreviousOneByFarMoreThanSinglePrecision()
    {
        double stray = 0;
        for (int distance = 1; distance <= 65_536; distance++)
            stray += Math.Exp(400 * (Enumerable.Range(0, InductionModel.TurningPairs).Average(i => Math.Cos(InductionModel.Speed(i) * distance)) - 1));
        Assert.InRange(stray, 0, StrayWeight);
    }

    [Fact]
    public void KeysOfLayerTwoAreTheCodesOfThePreviousTokens()
    {
        const int tokens = 300, d = 64;
        using InductionFile file = new(d, tokens);
        using Recorder recorder = new(file.Model.CacheGeometry);
        using Decoder decoder = new(file.Model, recorder, new DecoderOptions { Batch = tokens });
        decoder.Forward([.. Enumerable.Range(0, tokens)], new float[tokens]);
        double unread = 0;
        for (int t = 1; t < tokens; t++)
        {
            // Channels that positions do not turn equal the value of the token before, which is its code.
            for (int i = 2 * InductionModel.TurningPairs; i < d; i++)
                Assert.Equal(recorder.Values[1][((t - 1) * d) + i], recorder.Keys[1][(t * d) + i], SameCode);
            unread += recorder.Queries[1].AsSpan(t * d, d - InductionModel.MatchedChannels).ToArray().Sum(Math.Abs);
            Assert.Equal(1, Dot(recorder.Keys[1], t, recorder.Keys[1], t, d), SameCode);
        }

        Assert.Equal(0, unread);
    }

    [Fact]
    public void SizesThatDoNotFitAreRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => InductionModel.Write("x", 30, 10, 1));
        Assert.Throws<ArgumentException>(() => InductionModel.Write("x", 33, 10, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => InductionModel.Write("x", 64, 1, 1));
    }

    private static double Dot(float[] a, int i, float[] b, int j, int dimension)
    {
        double sum = 0;
        for (int c = 0; c < dimension; c++)
            sum += (double)a[(i * dimension) + c] * b[(j * dimension) + c];
        return sum;
    }

    // Exact attention that remembers what it was given.
    private sealed class Recorder : IAttention, IDisposable
    {
        private readonly KvCache _cache;
        private readonly CompressedAttention _attention;

        public Recorder(CacheGeometry geometry)
        {
            CodecSpec exact = CodecSpec.Parse("fp32");
            _cache = new KvCache(new KvCacheOptions { Geometry = geometry, Policy = LayerPolicy.Uniform(geometry.Layers, exact, exact) });
            _attention = new CompressedAttention(_cache);
        }

        public int FirstPosition { get; init; }

        public int Length => FirstPosition + _cache.Length;

        public long Changes => _cache.Changes;

        public List<float[]> Queries { get; } = [];

        public List<float[]> Keys { get; } = [];

        public List<float[]> Values { get; } = [];

        public void Require(LanguageModel model) => _attention.Require(model);

        public void Attend(int layer, ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, Span<float> outputs)
        {
            Queries.Add(queries.ToArray());
            Keys.Add(keys.ToArray());
            Values.Add(values.ToArray());
            _attention.Attend(layer, queries, keys, values, outputs);
        }

        public void Dispose()
        {
            _attention.Dispose();
            _cache.Dispose();
        }
    }
}
