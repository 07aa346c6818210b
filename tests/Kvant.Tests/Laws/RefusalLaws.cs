using System.Text.RegularExpressions;
using Kvant.Codecs;

namespace Kvant.Tests.Laws;

/// <summary>What cannot be stored is refused at the door with the place and the number, and nothing has changed then.</summary>
public sealed class RefusalLaws
{
    private const byte Before = 0xA5;

    [Theory]
    [MemberData(nameof(CodecCases.Specs), MemberType = typeof(CodecCases))]
    public void NumberThatIsNotFiniteIsRefusedWithRowAndChannel(string spec)
    {
        foreach ((Codec codec, string name) in CodecCases.All(spec))
        {
            foreach (float bad in (float[])[float.NaN, float.PositiveInfinity, float.NegativeInfinity])
            {
                int rows = 2 * codec.RowsPerBlock, row = rows - 1, channel = codec.Dimension - 2;
                float[] source = TestRows.Gaussian(rows, codec.Dimension, seed: 21);
                source[(row * codec.Dimension) + channel] = bad;
                string message = AssertRefused(codec, source, 2, name);
                Assert.Contains($"ow {row}, channel {channel}", message, StringComparison.Ordinal);
            }
        }
    }

    [Theory]
    [MemberData(nameof(CodecCases.Specs), MemberType = typeof(CodecCases))]
    public void WrongLengthIsRefusedWithBothLengths(string spec)
    {
        foreach ((Codec codec, string name) in CodecCases.All(spec).Where(c => c.Codec.Dimension is 80 or 128))
        {
            int floats = codec.RowsPerBlock * codec.Dimension, bytes = codec.BytesPerBlock;
            PreparedQueries prepared = codec.CreatePreparedQueries(1);
            codec.Prepare(new float[codec.Dimension], prepared);
            Refuses(() => codec.Encode(new float[floats + 1], new byte[bytes]), floats + 1, floats, name);
            Refuses(() => codec.Encode(new float[floats], new byte[bytes + 1]), bytes + 1, bytes, name);
            Refuses(() => codec.Encode(new float[2 * floats], new byte[bytes]), bytes, 2 * bytes, name);
            Refuses(() => codec.Decode(new byte[bytes], new float[floats - 1]), floats - 1, floats, name);
            Refuses(() => codec.Decode(new byte[2 * bytes], new float[floats]), floats, 2 * floats, name);
            Refuses(() => codec.Prepare(new float[codec.Dimension - 1], prepared), codec.Dimension - 1, codec.Dimension, name);
            Refuses(() => codec.Prepare(new float[2 * codec.Dimension], prepared), 2, 1, name);
            Refuses(() => codec.Score(prepared, new byte[bytes], new float[codec.RowsPerBlock + 1]), codec.RowsPerBlock + 1, codec.RowsPerBlock, name);
            Refuses(() => codec.Accumulate(new float[codec.RowsPerBlock + 1], new byte[bytes], new float[codec.Dimension]), codec.RowsPerBlock + 1, codec.RowsPerBlock, name);
            Refuses(() => codec.Finish(new float[codec.Dimension], new float[codec.Dimension + 1]), codec.Dimension + 1, codec.Dimension, name);
            if (bytes > 1)
                Refuses(() => codec.Decode(new byte[bytes + 1], new float[floats]), bytes + 1, bytes, name);
        }
    }

    [Theory]
    [MemberData(nameof(CodecCases.Specs), MemberType = typeof(CodecCases))]
    public void RowsOfAnySizeAreRefusedOrStayFinite(string spec)
    {
        foreach ((Codec codec, string name) in CodecCases.All(spec).Where(c => c.Codec.Dimension is 80 or 128))
        {
            foreach (double scale in (double[])[1e-42, 1e-30, 1e-10, 1e4, 3e4, 1e6, 1e7, 1e10, 1e19, 1e25, 1e37])
            {
                float[] source = TestRows.Scaled(TestRows.OfContent("one-hot", codec.RowsPerBlock, codec.Dimension, seed: 22), scale);
                float[] dense = TestRows.Scaled(TestRows.Gaussian(codec.RowsPerBlock, codec.Dimension, seed: 22), scale);
                CheckSize(codec, source, $"{name}, one-hot times {scale:G1}");
                CheckSize(codec, dense, $"{name}, gaussian times {scale:G1}");
            }

            foreach (float size in (float[])[3e38f, float.MaxValue])
            {
                float[] signs = [.. TestRows.Gaussian(codec.RowsPerBlock, codec.Dimension, seed: 23).Select(x => MathF.CopySign(size, x))], same = new float[signs.Length];
                CheckSize(codec, signs, $"{name}, all +-{size:G2}");
                same.AsSpan().Fill(size);
                CheckSize(codec, same, $"{name}, all {size:G2}");
                same.AsSpan().Fill(-size);
                CheckSize(codec, same, $"{name}, all -{size:G2}");
            }
        }
    }

    [Theory]
    [InlineData("turboquant:bits=3")]
    [InlineData("turboquant:bits=3,scale=unbiased")]
    [InlineData("turboquant:bits=3,scale=corrected")]
    [InlineData("turboquant:bits=3,scale=leastsquares")]
    [InlineData("turboquant:bits=3,group=32")]
    [InlineData("turboquant-ip:bits=3")]
    [InlineData("q8_0")]
    [InlineData("q4_0")]
    public void ScaleThatDoesNotFitIsRefused(string spec)
    {
        float[] rows = TestRows.Scaled(TestRows.UnitVectors(64, 128), 1e9)[..128];
        AssertRefused(CodecCases.Create(spec, 128), rows, 1, spec);
    }

    [Fact]
    public void NormOf741ThousandFitsAndMoreIsRefused()
    {
        // The scale is the norm by the square root of 128; 65504 is the largest fp16 number.
        Codec codec = CodecCases.Create("turboquant:bits=4,scale=norm", 128);
        float[] row = TestRows.UnitVectors(64, 128)[..128];
        float[] decoded = CodecCases.RoundTrip(codec, TestRows.Scaled(row, 741_000));
        Assert.Equal(741_000, Measure.Norm(decoded), 741_000 * 0.02);
        AssertRefused(codec, TestRows.Scaled(row, 742_000), 1, "norm 742000");
    }

    [Theory]
    [MemberData(nameof(CodecCases.Methods), MemberType = typeof(CodecCases))]
    public void DimensionThatTheMethodDoesNotTakeIsRefusedWithItsNumber(string method)
    {
        foreach (int dimension in (int[])[0, -1, Codec.MaxDimension + 1])
            Assert.Contains($"{dimension}", Assert.ThrowsAny<ArgumentException>(() => CodecSpec.Parse(method).CreateCodec(dimension)).Message, StringComparison.Ordinal);
        foreach (string spec in CodecCases.SpecsOf(CodecCatalog.Find(method)!))
        {
            CodecSpec parsed = CodecSpec.Parse(spec);
            int[] dimensions = [1, 2, 3, 17, 32, 35, 80, 96, 112, 513];
            Dictionary<int, string> refusals = dimensions.Select(d => (d, Record.Exception(() => parsed.CreateCodec(d)))).Where(r => r.Item2 is not null)
                .ToDictionary(r => r.d, r => Assert.IsType<ArgumentException>(r.Item2, exactMatch: false).Message);
            foreach ((int dimension, string message) in refusals)
            {
                Assert.Contains($"{dimension}", message, StringComparison.Ordinal);
                foreach (int other in dimensions.Where(d => d == dimension || !refusals.ContainsKey(d)))
                    Assert.True(Takes(message, other) == (other != dimension), $"{spec}, dimension {other}: {(other == dimension ? "refused" : "taken")}, though dimension {dimension} was refused with: {message}");
            }
        }
    }

    [Theory]
    [InlineData("q8_0", 80, "multiple of 32")]
    [InlineData("q4_0", 80, "multiple of 32")]
    [InlineData("polar32", 80, "multiple of 32")]
    [InlineData("turboquant:rotation=block32", 80, "multiple of 32")]
    [InlineData("turboquant-ip:rotation=block32", 80, "multiple of 32")]
    [InlineData("turboquant:group=64", 96, "multiple of 64")]
    [InlineData("turboquant", 1, "3 to 4096")]
    [InlineData("turboquant", 2, "3 to 4096")]
    [InlineData("turboquant-ip", 2, "3 to 4096")]
    [InlineData("turboquant:code=trellis,bits=1", 7, "at least 8")]
    [InlineData("turboquant:code=trellis,bits=2", 3, "at least 4")]
    [InlineData("outlier", 32, "at least 35")]
    [InlineData("turboquant:rotation=haar", 513, "at most 512")]
    [InlineData("turboquant-ip:rotation=haar", 513, "at most 512")]
    [InlineData("turboquant-ip:sketch=orthogonal", 513, "at most 512")]
    public void RefusalOfADimensionSaysWhichOnesAreTaken(string spec, int dimension, string taken)
    {
        string message = Assert.Throws<ArgumentException>(() => CodecSpec.Parse(spec).CreateCodec(dimension)).Message;
        Assert.Contains($"{dimension}", message, StringComparison.Ordinal);
        Assert.Contains(taken, message, StringComparison.Ordinal);
    }

    // What a refusal says of the dimensions that are taken.
    private static bool Takes(string message, int dimension)
    {
        Match said = Regex.Match(message, @"multiple of (?<unit>\d+)|(at least|equal to) '?(?<least>\d+)|at most (?<most>\d+)|(?<least>\d+) to (?<most>\d+)");
        Assert.True(said.Success, $"The refusal does not say which dimensions are taken: {message}");
        int Number(string name, int otherwise) => said.Groups[name].Success ? int.Parse(said.Groups[name].Value) : otherwise;
        return dimension % Number("unit", 1) == 0 && dimension >= Number("least", 1) && dimension <= Number("most", int.MaxValue);
    }

    private static void CheckSize(Codec codec, float[] source, string name)
    {
        byte[] blocks = Filled(codec.BytesPerBlock);
        try
        {
            codec.Encode(source, blocks);
        }
        catch (ArgumentException)
        {
            AssertUntouchedOrZero(blocks, name);
            return;
        }

        float[] decoded = CodecCases.Decode(codec, blocks);
        Assert.True(decoded.All(float.IsFinite), $"{name}: not refused, but decodes to {decoded.FirstOrDefault(x => !float.IsFinite(x))}.");
    }

    private static string AssertRefused(Codec codec, float[] source, int blocks, string name)
    {
        byte[] destination = Filled(blocks * codec.BytesPerBlock);
        try
        {
            codec.Encode(source, destination);
        }
        catch (ArgumentException e)
        {
            AssertUntouchedOrZero(destination, name);
            return e.Message;
        }

        Assert.Fail($"{name}: was not refused.");
        return "";
    }

    private static void AssertUntouchedOrZero(byte[] blocks, string name) =>
        Assert.True(!blocks.AsSpan().ContainsAnyExcept(Before) || !blocks.AsSpan().ContainsAnyExcept((byte)0), $"{name}: refused, but half written.");

    private static byte[] Filled(int length)
    {
        var bytes = new byte[length];
        bytes.AsSpan().Fill(Before);
        return bytes;
    }

    private static void Refuses(Action action, int found, int wanted, string name)
    {
        string message = Assert.ThrowsAny<ArgumentException>(action).Message;
        Assert.True(message.Contains($"{found}", StringComparison.Ordinal) && message.Contains($"{wanted}", StringComparison.Ordinal), $"{name}: '{message}' lacks {found} or {wanted}.");
    }
}
