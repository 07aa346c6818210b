using Kvant.Codecs;

namespace Kvant.Tests.Codecs;

/// <summary>The verbs for vectors on their own, and what they refuse.</summary>
public sealed class CodecApiTests
{
    private readonly float[] _rows = TestRows.Gaussian(40, 64, seed: 5);

    [Theory]
    [MemberData(nameof(CodecCases.Methods), MemberType = typeof(CodecCases))]
    public void ArraysGiveWhatBuffersGive(string method)
    {
        Codec codec = CodecCases.Create(method, 64);
        byte[] blocks = codec.Encode(_rows);
        Assert.Equal(CodecCases.Encode(codec, _rows), blocks);
        Assert.Equal(blocks.Length, codec.EncodedLength(40));

        float[] decoded = codec.Decode(blocks);
        Assert.Equal(CodecCases.Decode(codec, blocks), decoded);

        float[] query = TestRows.Gaussian(1, 64, seed: 6), products = codec.InnerProducts(query, blocks), norms = codec.Norms(blocks);
        for (int r = 0; r < 40; r++)
        {
            double norm = Math.Sqrt(Measure.Dot(decoded.AsSpan(r * 64, 64), decoded.AsSpan(r * 64, 64)));
            Assert.Equal(norm, norms[r], 1e-5 * (1 + norm));
            Assert.Equal(Measure.Dot(query, decoded.AsSpan(r * 64, 64)), products[r], Tolerances.Attention * (1 + (8 * norm)));
        }
    }

    [Fact]
    public void RowsThatDoNotFillABlockAreRefused()
    {
        Codec keys = CodecCases.Create("kivi", 64, CodecRole.Keys);
        Assert.Contains("multiple of 32", Assert.Throws<ArgumentException>(() => keys.EncodedLength(40)).Message, StringComparison.Ordinal);
        Assert.Equal(32, keys.RowsInBlocks(63));
        Assert.Equal(2 * keys.BytesPerBlock, keys.EncodedLength(64));
    }

    [Fact]
    public void QueriesOfAnotherCodecAreRefused()
    {
        Codec one = CodecCases.Create("turboquant:seed=1", 64), two = CodecCases.Create("turboquant:seed=2", 64);
        PreparedQueries prepared = one.CreatePreparedQueries(1);
        byte[] blocks = two.Encode(_rows);
        float[] scores = new float[40];
        Assert.Throws<ArgumentException>(() => two.Score(prepared, blocks, []));
        one.Prepare(_rows.AsSpan(0, 64), prepared);
        Assert.Contains("another codec", Assert.Throws<ArgumentException>(() => two.Score(prepared, blocks, scores)).Message, StringComparison.Ordinal);
        Assert.Contains("holds 1", Assert.Throws<ArgumentException>(() => one.Prepare(_rows, prepared)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void SpecsChangeOneSettingAtATime()
    {
        CodecSpec spec = CodecSpec.Parse("turboquant:bits=3");
        Assert.Equal("turboquant:bits=2,seed=7", spec.With("bits", "2").With("seed", "7").ToString());
        Assert.True(spec == CodecSpec.Parse("turboquant:seed=0,bits=3") && spec != CodecSpec.Parse("turboquant"));
        Assert.Throws<FormatException>(() => spec.With("bits", "9"));
        Assert.True(CodecSpec.TryParse("q8_0", out CodecSpec? found));
        Assert.Equal("q8_0", found.ToString());
        Assert.False(CodecSpec.TryParse("q9", out _));
        Assert.False(CodecSpec.TryParse(null, out _));
    }

    [Theory]
    [InlineData("turboquant", 2, "'turboquant:bits=4' does not take rows of 2 numbers")]
    [InlineData("q8_0", 80, "multiple of 32")]
    [InlineData("turboquant:rotation=haar", 1024, "at most 512")]
    [InlineData("turboquant:rotation=block32", 80, "multiple of 32")]
    [InlineData("turboquant:group=64", 96, "multiple of 64")]
    [InlineData("turboquant", 4093, "odd factor 4093")]
    [InlineData("turboquant-ip:length=4096", 2048, "a sketch holds at most")]
    [InlineData("outlier", 32, "at least 35")]
    public void DimensionsThatAMethodDoesNotTakeAreRefusedWithTheSpecAndTheReason(string spec, int dimension, string reason)
    {
        string message = Assert.Throws<ArgumentException>(() => CodecSpec.Parse(spec).CreateCodec(dimension)).Message;
        Assert.Contains(CodecSpec.Parse(spec).ToString(), message, StringComparison.Ordinal);
        Assert.Contains(reason, message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(CodecRole.Keys)]
    [InlineData(CodecRole.Values)]
    public void KiviIsNeverWorseThanZerosOnTinyRows(CodecRole role)
    {
        // Steps round to fp16, which is coarse down here; rounded up they still cover the range.
        foreach (double factor in (double[])[1e-3, 1e-4, 1e-5, 1e-6])
        {
            float[] rows = TestRows.Gaussian(64, 64, seed: 9, factor);
            Assert.True(Measure.Nmse(rows, CodecCases.RoundTrip(CodecCases.Create("kivi:bits=4", 64, role), rows)) < 0.5, $"factor {factor}");
        }
    }

    [Fact]
    public void RefusedRowIsNamed()
    {
        float[] rows = TestRows.Gaussian(40, 64, seed: 5);
        rows.AsSpan(17 * 64, 64).Fill(1e7f);
        Codec codec = CodecCases.Create("turboquant", 64);
        byte[] blocks = new byte[codec.EncodedLength(40)];
        Array.Fill(blocks, (byte)7);
        string message = Assert.Throws<ArgumentException>(() => codec.Encode(rows, blocks)).Message;
        Assert.StartsWith("Row 17: ", message, StringComparison.Ordinal);
        Assert.All(blocks, b => Assert.Equal(0, b));
    }

    [Theory]
    [InlineData(1e-30)]
    [InlineData(16384)]
    [InlineData(16385)]
    [InlineData(1e30)]
    public void HalvesTakeQueriesAndWeightsOfAnySize(double size)
    {
        Codec codec = CodecCases.Create("fp16", 128, CodecRole.Keys);
        float[] rows = TestRows.Gaussian(9, 128, seed: 1), queries = TestRows.Scaled(TestRows.Gaussian(5, 128, seed: 2), size / 8);
        queries[3] = (float)size;
        byte[] blocks = CodecCases.Encode(codec, rows);
        float[] decoded = CodecCases.Decode(codec, blocks), scores = new float[5 * 9], sums = new float[128];
        PreparedQueries prepared = codec.CreatePreparedQueries(5);
        codec.Prepare(queries, prepared);
        codec.Score(prepared, blocks, scores);
        for (int i = 0; i < scores.Length; i++)
            Assert.Equal(Measure.Dot(queries.AsSpan(i / 9 * 128, 128), decoded.AsSpan(i % 9 * 128, 128)) / size, scores[i] / size, Tolerances.Attention * 100);
        float[] weights = TestRows.Scaled(TestRows.Gaussian(1, 9, seed: 3), size);
        codec.Accumulate(weights, blocks, sums);
        for (int c = 0; c < sums.Length; c++)
            Assert.Equal(Enumerable.Range(0, 9).Sum(r => weights[r] / size * decoded[(r * 128) + c]), sums[c] / size, Tolerances.Attention * 10);
    }
}
