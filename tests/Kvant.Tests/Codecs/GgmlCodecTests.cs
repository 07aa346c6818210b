using Kvant.Codecs;
using Kvant.Tests.Reference;

namespace Kvant.Tests.Codecs;

/// <summary>q8_0 and q4_0: llama.cpp's bytes.</summary>
public sealed class GgmlCodecTests
{
    [Theory]
    [InlineData("q8_0", "q8_0")]
    [InlineData("q4_0", "q4_0")]
    public void BytesAreThoseOfLlamaCpp(string spec, string golden)
    {
        Codec codec = CodecCases.Create($"{spec}:rotation=none", 128);
        byte[] expected = TestFiles.Golden($"ggml-{golden}.bin"), found = CodecCases.Encode(codec, TestFiles.GgmlRows());
        Assert.Equal(expected.Length, found.Length);
        for (int i = 0; i < expected.Length; i++)
            Assert.True(expected[i] == found[i], $"row {i / codec.BytesPerBlock}, byte {i % codec.BytesPerBlock}: {found[i]}; llama.cpp has {expected[i]}.");
    }

    [Theory]
    [InlineData("q8_0", 34)]
    [InlineData("q4_0", 18)]
    public void RowsAreThoseOfTheReference(string spec, int bytes)
    {
        foreach (int dimension in (int[])[32, 96, 256])
        {
            Codec codec = CodecCases.Create($"{spec}:rotation=none", dimension);
            Assert.Equal(bytes * dimension / 32, codec.BytesPerBlock);
            float[] rows = TestRows.Gaussian(64, dimension, seed: 60);
            (rows[3], rows[7], rows[33 % dimension], rows[40 % dimension]) = (-9, 9, 9, -9); // of two that are equally large the first decides
            byte[] blocks = CodecCases.Encode(codec, rows);
            float[] decoded = CodecCases.Decode(codec, blocks);
            for (int b = 0; b < rows.Length / 32; b++)
            {
                ReadOnlySpan<byte> block = blocks.AsSpan(b * bytes, bytes);
                byte[] encoded = bytes == 34 ? GgmlReference.EncodeQ8(rows.AsSpan(b * 32, 32)) : GgmlReference.EncodeQ4(rows.AsSpan(b * 32, 32));
                Assert.True(block.SequenceEqual(encoded), $"dimension {dimension}, block {b}");
                double[] expected = bytes == 34 ? GgmlReference.DecodeQ8(block) : GgmlReference.DecodeQ4(block);
                for (int i = 0; i < 32; i++)
                    Assert.Equal((float)expected[i], decoded[(b * 32) + i]);
            }
        }
    }

    [Theory]
    [InlineData("q8_0")]
    [InlineData("q4_0")]
    public void RotationTamesALoudChannel(string spec)
    {
        float[] rows = TestRows.OfContent("one huge channel", 256, 128, seed: 61);
        double plain = QuietError(spec + ":rotation=none", rows), rotated = QuietError(spec + ":rotation=hadamard", rows);

        // The loud channel spoils the 31 beside it when plain, and is spread over all 128 when rotated.
        Assert.True(Math.Abs(plain - rotated) > 0.05 * plain, $"plain {plain:G4}, rotated {rotated:G4}: the rotation does nothing.");
        float[] oneHot = TestRows.Gaussian(256, 128, seed: 62);
        double error = Measure.Nmse(oneHot, CodecCases.RoundTrip(CodecCases.Create(spec + ":rotation=hadamard", 128), oneHot));
        double unrotated = Measure.Nmse(oneHot, CodecCases.RoundTrip(CodecCases.Create(spec + ":rotation=none", 128), oneHot));
        Measure.AssertInBand(error, unrotated, 3 * Tolerances.Theory, "Gaussian rows look alike in every basis");
    }

    private static double QuietError(string spec, float[] rows)
    {
        float[] decoded = CodecCases.RoundTrip(CodecCases.Create(spec, 128), rows);
        double error = 0;
        for (int i = 0; i < rows.Length; i++)
            error += i % 128 == 128 / 3 ? 0 : Math.Pow(rows[i] - decoded[i], 2) / rows.Length;
        return error;
    }
}
