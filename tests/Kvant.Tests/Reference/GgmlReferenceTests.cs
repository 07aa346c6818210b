namespace Kvant.Tests.Reference;

public sealed class GgmlReferenceTests
{
    [Fact]
    public void BytesAreThoseOfLlamaCpp()
    {
        float[] rows = TestFiles.GgmlRows();
        byte[] q8 = TestFiles.Golden("ggml-q8_0.bin"), q4 = TestFiles.Golden("ggml-q4_0.bin");
        Assert.Equal(rows.Length / 32 * 34, q8.Length);
        Assert.Equal(rows.Length / 32 * 18, q4.Length);
        for (int b = 0; b < rows.Length / 32; b++)
        {
            Assert.True(q8.AsSpan(b * 34, 34).SequenceEqual(GgmlReference.EncodeQ8(rows.AsSpan(b * 32, 32))), $"q8_0, block {b}");
            Assert.True(q4.AsSpan(b * 18, 18).SequenceEqual(GgmlReference.EncodeQ4(rows.AsSpan(b * 32, 32))), $"q4_0, block {b}");
        }
    }

    [Fact]
    public void DecodedNumbersLieWithinAStep()
    {
        float[] x = TestRows.Gaussian(1, 32, seed: 1);
        double largest = x.Max(v => Math.Abs(v));
        double[] q8 = GgmlReference.DecodeQ8(GgmlReference.EncodeQ8(x)), q4 = GgmlReference.DecodeQ4(GgmlReference.EncodeQ4(x));
        for (int i = 0; i < 32; i++)
        {
            Assert.Equal(x[i], q8[i], (largest / 254) + (largest * Tolerances.HalfPrecision));
            Assert.Equal(x[i], q4[i], (largest / 8) + (largest * Tolerances.HalfPrecision));
        }
    }
}
