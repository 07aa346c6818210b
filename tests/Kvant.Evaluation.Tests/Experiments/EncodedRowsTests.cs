using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Sources;
using Kvant.Evaluation.Tests.Support;

namespace Kvant.Evaluation.Tests.Experiments;

public sealed class EncodedRowsTests
{
    [Theory]
    [InlineData(5, 0)] // too few to calibrate
    [InlineData(6, 4)]
    [InlineData(8, 8)]
    [InlineData(11, 8)]
    public void TailIsHalfPrecisionAndCounted(int rows, int body)
    {
        float[] exact = RandomVectors.Normal(rows, 3, 4), decoded = new float[exact.Length];
        EncodedRows encoded = EncodedRows.Encode(new GroupCodec(3), exact);
        encoded.Decode(decoded);
        Assert.Equal(body, encoded.RowsInBlocks);
        Assert.Equal(rows, encoded.Rows);
        Assert.Equal((body * 3 * 4) + ((rows - body) * 3 * 2) + (body > 0 ? 3 : 0), encoded.Bytes);
        Assert.Equal(exact.Select((x, i) => i < body * 3 ? x : (float)(Half)x), decoded);
    }

    [Fact]
    public void WrongLengthsAreRefused()
    {
        Assert.Throws<ArgumentException>(() => EncodedRows.Encode(new GroupCodec(3), new float[10]));
        EncodedRows encoded = EncodedRows.Encode(new GroupCodec(3), new float[9]);
        Assert.Contains("9 are wanted", Assert.Throws<ArgumentException>(() => encoded.Decode(new float[8])).Message, StringComparison.Ordinal);
    }
}
