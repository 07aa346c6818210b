using Kvant.Codecs;

namespace Kvant.Tests.Codecs;

/// <summary>What codecs say of bytes from outside: short cuts say what decoding says.</summary>
public sealed class UntrustedTests
{
    [Theory]
    [MemberData(nameof(CodecCases.SpecsOfDimension128), MemberType = typeof(CodecCases))]
    public void BlocksAreFiniteIfTheirNumbersAre(string spec) => Fresh.Each(spec, 1, seed =>
    {
        var random = new Random(seed);
        foreach (CodecRole role in (CodecRole[])[CodecRole.KeyTiles, CodecRole.ValueTiles])
        {
            if (CodecCases.TryCreate(spec, 128, role) is not { } codec)
                continue;
            byte[] block = new byte[codec.BytesPerBlock];
            int taken = 0;
            float[] rows = new float[codec.RowsPerBlock * 128];
            for (int i = 0; i < 200; i++)
            {
                // Scales that are large, infinite or none are rare in random bytes; here they are not.
                random.NextBytes(block);
                for (int at = 0; at < block.Length; at++)
                    block[at] = i % 10 > 0 && random.Next(i % 4 == 0 ? 60 : 4) == 0 ? (byte)(random.Next(2) == 0 ? 0x7C : 0xFF) : (byte)(block[at] & (i % 2 == 0 ? 0x3F : 0xFF));
                if (!codec.AreFinite(block))
                    continue;
                codec.Decode(block, rows);
                Assert.True(Array.TrueForAll(rows, float.IsFinite), $"{spec}, {role}, block {i} decodes to numbers that are not finite");
                taken++;
            }

            Assert.InRange(taken, 1, 199);
        }
    });
}
