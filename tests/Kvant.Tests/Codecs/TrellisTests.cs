using Kvant.Codebooks;
using Kvant.Codecs;
using Kvant.Packing;
using Kvant.Tests.Reference;

namespace Kvant.Tests.Codecs;

/// <summary>The trellis code of turboquant against its bars, the scalar optimum, and the double-precision reference.</summary>
public sealed class TrellisTests
{
    [Theory]
    [InlineData(1, .283)]
    [InlineData(2, .0765)]
    [InlineData(3, .0209)]
    [InlineData(4, .0058)]
    public void ErrorIsFarBelowTheScalarOptimumInAsManyBytes(int bits, double bar)
    {
        foreach (int dimension in (int[])[64, 96, 128, 256])
        {
            float[] rows = TestRows.UnitVectors(4096, dimension);
            Codec codec = CodecCases.Create($"turboquant:code=trellis,bits={bits},scale=leastsquares", dimension);
            Assert.Equal((dimension * bits / 8) + 2, codec.BytesPerBlock);
            double error = Measure.Nmse(rows, CodecCases.RoundTrip(codec, rows));
            Assert.True(error <= bar, $"dimension {dimension}, {bits} bits: {error:G5}, the bar is {bar}.");
            Assert.True(error > Math.Pow(4, -bits), $"dimension {dimension}, {bits} bits: {error:G5} is less than any code can lose.");
            Assert.True(error < 0.8 * LloydMaxReference.Of(dimension, bits).Nmse, $"dimension {dimension}, {bits} bits: {error:G5} is what levels alone lose.");
            Assert.False(Measure.Nmse(rows, new float[rows.Length]) <= bar);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void CodesLoseWhatThoseOfTheReferenceLose(int bits)
    {
        const int Rows = 48;
        TrellisReference reference = Reference(bits);
        foreach (int dimension in (int[])[40, 96])
        {
            Codec codec = CodecCases.Create($"turboquant:code=trellis,bits={bits},scale=norm,rotation=none", dimension);
            float[] rows = TestRows.UnitVectors(4096, dimension)[..(Rows * dimension)];
            byte[] blocks = CodecCases.Encode(codec, rows);
            float[] decoded = CodecCases.Decode(codec, blocks);
            double error = 0, expected = 0;
            for (int r = 0; r < Rows; r++)
            {
                double[] row = ReferenceMath.ToDouble(rows.AsSpan(r * dimension, dimension));
                double unit = ReferenceMath.Norm(row) / Math.Sqrt(dimension);
                double[] normalized = [.. row.Select(x => x / unit)];
                expected += TrellisReference.Error(normalized, reference.Decode(reference.Encode(normalized)));

                var codes = new byte[dimension];
                BitPacking.Unpack(blocks.AsSpan((r * codec.BytesPerBlock) + 2, codec.BytesPerBlock - 2), bits, codes);
                double[] levels = reference.Decode([.. codes.Select(c => (int)c)]);
                error += TrellisReference.Error(normalized, levels);
                double scale = ReferenceMath.RoundToHalf(unit);
                for (int i = 0; i < dimension; i++)
                    Assert.Equal(levels[i] * scale, decoded[(r * dimension) + i], Tolerances.DecodedRow);
            }

            Measure.AssertInBand(error, expected, Tolerances.TrellisSearch, $"dimension {dimension}, {bits} bits");
        }
    }

    // The ablation of docs/methods/trellis.md, in double precision; the test's output has the numbers.
    [Theory]
    [InlineData(2, 1.03, 1.35)]
    [InlineData(3, 1.03, 1.5)]
    [InlineData(4, 1.04, 3)]
    public void WhereARowBeginsIsWorthAPassOfItsOwn(int bits, double fromEnd, double fromAny)
    {
        const int Rows = 192, Dimension = 128;
        TrellisReference reference = Reference(bits);
        double[] errors = new double[3];
        // States take turns: what the number 0 means among them is a matter of how the tables were found. (In the free table of two bits, which is gone, it meant a large level,
        // and beginning there lost 1.59 times as much; over all states it is 1.38 times.)
        int any = 0;
        foreach (float[] unit in TestRows.UnitVectors(4096, Dimension).Chunk(Dimension).Take(Rows))
        {
            double[] row = [.. unit.Select(x => x * Math.Sqrt(Dimension))];
            any = (any + 37) % 256;
            errors[0] += TrellisReference.Error(row, reference.Decode(reference.Encode(row))) / (Rows * Dimension);
            errors[1] += TrellisReference.Error(row, reference.Decode(reference.EncodeFromItsEnd(row))) / (Rows * Dimension);
            errors[2] += TrellisReference.Error(row, reference.Decode(reference.EncodeFrom(row, any))) / (Rows * Dimension);
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{bits} bits: {errors[0]:F5}, from its end {errors[1]:F5}, from any {errors[2]:F5}");
        Assert.True(errors[1] > fromEnd * errors[0], $"A row that begins where one pass ends loses {errors[1]:F5}, two passes lose {errors[0]:F5}.");
        Assert.True(errors[2] > fromAny * errors[0], $"A row that begins anywhere loses {errors[2]:F5}, two passes lose {errors[0]:F5}.");
    }

    [Theory]
    [InlineData(1, 12)]
    [InlineData(2, 6)]
    [InlineData(3, 4)]
    [InlineData(4, 3)]
    public void ShortRowsComeNearTheBestOfAllPaths(int bits, int dimension)
    {
        TrellisReference reference = Reference(bits);
        Codec codec = CodecCases.Create($"turboquant:code=trellis,bits={bits},scale=norm,rotation=none", dimension);
        double error = 0, least = 0, scalar = 0;
        float[] rows = TestRows.UnitVectors(64, dimension), decoded = CodecCases.RoundTrip(codec, rows);
        for (int r = 0; r < 64; r++)
        {
            double[] row = [.. rows.Skip(r * dimension).Take(dimension).Select(x => x * Math.Sqrt(dimension))];
            error += TrellisReference.Error(row, [.. decoded.Skip(r * dimension).Take(dimension).Select(x => x * Math.Sqrt(dimension))]);
            least += reference.LeastError(row);
            scalar += row.Sum(x => x * x);
        }

        // Two passes settle where a row begins from what lies around it, which on a row of one state's length is the row itself.
        Assert.InRange(error, least * (1 - Tolerances.DecodedRow), 0.5 * (least + scalar));
    }

    [Fact]
    public void ShapesThatHaveNoTrellisAreRefused()
    {
        Refuses("turboquant:code=trellis,bits=5", 128, "5");
        Refuses("turboquant:code=trellis,bits=1", 7, "8");
        Refuses("turboquant:code=trellis,search=16", 128, "search");
        Assert.Equal(3, CodecSpec.Parse("turboquant:code=trellis,bits=1").CreateCodec(8, CodecRole.Rows).BytesPerBlock);
    }

    // The bar of the attention: what matters about a key's error is what the softmax makes of it.
    [Fact]
    public void AttentionDivergesLessThanOverScalarCodes()
    {
        double scalar = Divergence("turboquant:bits=3,scale=norm"), trellis = Divergence("turboquant:code=trellis,bits=3,scale=corrected");
        TestContext.Current.TestOutputHelper?.WriteLine($"scalar {scalar:F4}, trellis {trellis:F4}");
        Measure.AssertInBand(scalar, .0765, Tolerances.Divergence, "scalar codes");
        Assert.True(trellis is > .03 and <= .046, $"The trellis code diverges by {trellis:G4}.");
    }

    private static TrellisReference Reference(int bits) =>
        new(TrellisTables.First(bits).ToArray(), TrellisTables.Second(bits).ToArray(), TrellisTables.Step(bits), bits);

    private static void Refuses(string spec, int dimension, string wanted)
    {
        string message = Assert.Throws<ArgumentException>(() => CodecSpec.Parse(spec).CreateCodec(dimension, CodecRole.Rows)).Message;
        Assert.Contains(wanted, message, StringComparison.Ordinal);
    }

    // 6 heads of 4,096 keys of norms exp(z / 10), 24 unit queries each, logits of standard deviation 2.
    private static double Divergence(string spec)
    {
        const int Heads = 6, Keys = 4096, Queries = 24, Dimension = 128;
        Codec codec = CodecCases.Create(spec, Dimension);
        double sum = 0;
        for (int head = 0; head < Heads; head++)
        {
            float[] keys = TestRows.Gaussian(Keys, Dimension, seed: 500 + head), queries = TestRows.Gaussian(Queries, Dimension, seed: 600 + head);
            var random = new Random(700 + head);
            for (int k = 0; k < Keys; k++)
            {
                Span<float> key = keys.AsSpan(k * Dimension, Dimension);
                double length = Math.Exp(0.1 * TestRows.Normal(random)) / Measure.Norm(key);
                foreach (ref float x in key)
                    x = (float)(x * length);
            }

            float[] decoded = CodecCases.RoundTrip(codec, keys);
            for (int q = 0; q < Queries; q++)
            {
                float[] query = queries[(q * Dimension)..((q + 1) * Dimension)];
                double[] exact = Logits(query, keys), approximate = Logits(query, decoded);
                double factor = 2 / Math.Sqrt(exact.Average(l => l * l));
                sum += AttentionReference.Divergence(
                    AttentionReference.Softmax([.. exact.Select(l => l * factor)]), AttentionReference.Softmax([.. approximate.Select(l => l * factor)]));
            }
        }

        return sum / (Heads * Queries);
    }

    private static double[] Logits(float[] query, float[] keys) =>
        [.. Enumerable.Range(0, keys.Length / query.Length).Select(k => Measure.Dot(query, keys.AsSpan(k * query.Length, query.Length)))];
}
