using System.Runtime.InteropServices;
using Kvant.Models.Formats;
using Kvant.Models.Tests.Reference;

namespace Kvant.Models.Tests.Formats;

public sealed class TensorFormatTests
{
    public static TheoryData<string> Names => [.. TensorFormat.All.Select(f => f.Name)];

    [Theory, MemberData(nameof(Names))]
    public void RandomBlocksMeanWhatTheReferenceSays(string name)
    {
        TensorFormat format = TensorFormat.Parse(name);
        const int count = 1024;
        byte[] blocks = RandomBlocks.Create(format, count, seed: 3);
        float[] numbers = new float[count];
        format.Dequantize(blocks, numbers);
        AssertNear(ReferenceFormats.Dequantize(name, blocks, count), numbers);
    }

    [Theory, MemberData(nameof(Names))]
    public void BlocksOfGgmlMeanWhatGgmlSays(string name)
    {
        if (name == "F32") return;
        TensorFormat format = TensorFormat.Parse(name);
        byte[] golden = File.ReadAllBytes(Goldens.Path("formats", name + ".bin"));
        int size = (int)format.Bytes(512);
        float[] numbers = new float[512];
        format.Dequantize(golden.AsSpan(0, size), numbers);
        AssertNear([.. MemoryMarshal.Cast<byte, float>(golden.AsSpan(size)).ToArray().Select(x => (double)x)], numbers);
    }

    [Fact]
    public void EveryHalfPrecisionScaleIsExact()
    {
        byte[] block = new byte[34];
        float[] numbers = new float[32];
        block[2] = 1;
        for (int bits = 0; bits < 1 << 16; bits++)
        {
            BitConverter.TryWriteBytes(block, (ushort)bits);
            TensorFormat.Parse("Q8_0").Dequantize(block, numbers);
            Assert.Equal((float)BitConverter.UInt16BitsToHalf((ushort)bits), numbers[0]);
        }
    }

    // Sixteen at a time and one by one, infinities and NaN among others and alone.
    [Theory, InlineData(1 << 16), InlineData(15)]
    public void EveryHalfPrecisionNumberIsExact(int together)
    {
        ushort[] halves = [.. Enumerable.Range(0, 1 << 16).Select(bits => (ushort)bits)];
        float[] numbers = new float[halves.Length];
        for (int at = 0; at < halves.Length; at += together)
        {
            int count = Math.Min(together, halves.Length - at);
            TensorFormat.Parse("F16").Dequantize(MemoryMarshal.AsBytes(halves.AsSpan(at, count)), numbers.AsSpan(at, count));
        }
        Assert.Equal(halves.Select(bits => (float)BitConverter.UInt16BitsToHalf(bits)), numbers);
    }

    [Fact]
    public void LengthsThatDoNotBelongTogetherAreRefused()
    {
        Assert.Throws<ArgumentException>(() => TensorFormat.Parse("Q8_0").Dequantize(new byte[34], new float[31]));
        Assert.Throws<ArgumentException>(() => TensorFormat.Parse("Q8_0").Dequantize(new byte[33], new float[32]));
        Assert.Throws<ArgumentException>(() => TensorFormat.Parse("Q8_0").Dot(new byte[34], new float[64]));
    }

    private static void AssertNear(double[] wanted, float[] found)
    {
        double largest = wanted.Max(Math.Abs);
        Assert.True(largest > 0);
        for (int i = 0; i < wanted.Length; i++) Assert.Equal(wanted[i], found[i], largest * Tolerances.Dequantized);
    }
}
