using Kvant.Codecs;
using Kvant.Tests.Reference;

namespace Kvant.Tests.Codecs;

/// <summary>PolarQuant-outlier blocks of seed 001.</summary>
public sealed class Polar32Tests
{
    [Theory]
    [InlineData(64)]
    [InlineData(128)]
    public void L2BlocksHaveTheErrorOfTheirOwnDimension(int dimension)
    {
        float[] rows = TestRows.UnitVectors(4096, dimension);
        for (int bits = 1; bits <= 5; bits++)
        {
            double error = Measure.Nmse(rows, CodecCases.RoundTrip(CodecCases.Create($"polar32:bits={bits},norm=l2", dimension), rows));
            Measure.AssertInBand(error, LloydMaxReference.Of(32, bits).Nmse, Tolerances.Theory, $"dimension {dimension}, {bits} bits");
        }
    }

    [Theory]
    [InlineData("l2")]
    [InlineData("max")]
    public void RowsAreThoseOfTheReference(string norm)
    {
        for (int bits = 1; bits <= 5; bits++)
        {
            Codec codec = CodecCases.Create($"polar32:bits={bits},norm={norm}", 96);
            double[,] matrix = ReferenceMath.MatrixOf(((RotatedCodec)codec).Rotation);
            double[] levels = LloydMaxReference.Of(32, bits).Levels;
            float[] rows = TestRows.Gaussian(64, 96, seed: 80);
            float[] decoded = CodecCases.RoundTrip(codec, rows);
            int differing = 0;
            for (int r = 0; r < 64; r++)
            {
                double[][] x = [.. ReferenceMath.Multiply(matrix, ReferenceMath.ToDouble(rows.AsSpan(r * 96, 96))).Chunk(32)];
                double[][] found = [.. ReferenceMath.Multiply(matrix, ReferenceMath.ToDouble(decoded.AsSpan(r * 96, 96))).Chunk(32)];
                for (int b = 0; b < 3; b++)
                {
                    double[] expected = Polar32Reference.RoundTrip(x[b], levels, norm).Decoded;
                    double distance = ReferenceMath.Norm([.. expected.Zip(found[b], (e, f) => e - f)]);
                    differing += distance > Tolerances.DecodedRow * ReferenceMath.Norm(found[b]) ? 1 : 0;
                }
            }

            // A number beside a threshold, or a scale beside the middle of two fp16 numbers, may go either way in float.
            Assert.True(differing <= 2, $"{norm}, {bits} bits: {differing} of 192 blocks differ from the reference.");
        }
    }

    [Fact]
    public void BlocksDoNotShareTheirScale()
    {
        // The first block is 1,000 times as loud; the others must not lose anything by it.
        float[] rows = [.. TestRows.UnitVectors(4096, 128)[..(512 * 128)]], loud = [.. rows];
        for (int i = 0; i < loud.Length; i++)
            loud[i] *= i % 128 < 32 ? 1000 : 1;
        Codec codec = CodecCases.Create("polar32:bits=3,norm=l2", 128);
        float[] plain = CodecCases.RoundTrip(codec, rows), decoded = CodecCases.RoundTrip(codec, loud);
        for (int i = 0; i < rows.Length; i++)
        {
            if (i % 128 >= 32)
                Assert.Equal(plain[i], decoded[i]);
        }
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    public void BytesCountAScalePerBlock(int bits) =>
        Assert.Equal((128 * bits / 8) + (4 * 2), CodecCases.Create($"polar32:bits={bits}", 128).BytesPerBlock);

    [Theory]
    [InlineData(80)]
    [InlineData(112)]
    public void DimensionThatIsNotWholeBlocksIsRefusedByName(int dimension) =>
        Assert.Contains("32", Assert.ThrowsAny<ArgumentException>(() => CodecSpec.Parse("polar32").CreateCodec(dimension)).Message, StringComparison.Ordinal);
}
