using Kvant.Codecs;

namespace Kvant.Tests.Codecs;

/// <summary>What it costs to code rows that were coded before.</summary>
public sealed class RecodingTests
{
    // Of the energy of the error. Levels of scalar codes of neighboring bits are nearly nested; trellis codes are not, and both errors add up, as theory says of any good code
    // (1 + 1/4 for a bit less): what falls by two bits or comes from 8 pays little.
    [Theory]
    [InlineData("turboquant:bits=4", "turboquant:bits=3", 1.02)]
    [InlineData("turboquant:bits=4,scale=unbiased", "turboquant:bits=3,scale=unbiased", 1.02)]
    [InlineData("turboquant:bits=4,mean=32", "turboquant:bits=3,mean=32", 1.05)]
    [InlineData("turboquant:bits=3", "turboquant:bits=2", 1.02)]
    [InlineData("q8", "turboquant:bits=4,code=trellis", 1.01)]
    [InlineData("q8", "turboquant:bits=3,code=trellis", 1.01)]
    [InlineData("turboquant:bits=4,code=trellis", "turboquant:bits=2,code=trellis", 1.1)]
    [InlineData("turboquant:bits=4,code=trellis", "turboquant:bits=3,code=trellis", 1.3)]
    public void CodingAgainCostsLittleMoreThanCodingOnce(string first, string second, double most)
    {
        const int Rows = 4096, Dimension = 64;
        float[] rows = TestRows.Gaussian(Rows, Dimension, seed: 14);
        Codec fine = CodecSpec.Parse(first).CreateCodec(Dimension, CodecRole.KeyTiles), coarse = CodecSpec.Parse(second).CreateCodec(Dimension, CodecRole.KeyTiles);
        double once = Error(rows, Through(coarse, rows)), twice = Error(rows, Through(coarse, Through(fine, rows)));
        Assert.InRange(twice / once, 1, most);
    }

    private static float[] Through(Codec codec, float[] rows)
    {
        byte[] blocks = new byte[rows.Length / codec.Dimension / codec.RowsPerBlock * codec.BytesPerBlock];
        float[] decoded = new float[rows.Length];
        codec.Encode(rows, blocks);
        codec.Decode(blocks, decoded);
        return decoded;
    }

    private static double Error(float[] rows, float[] decoded) => rows.Zip(decoded, (a, b) => (double)(a - b) * (a - b)).Sum();
}
