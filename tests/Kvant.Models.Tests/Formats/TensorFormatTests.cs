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

    [Fact]
    public void LengthsThatDoNotBelongTogetherAreRefused()
    {
        Assert.Throws<ArgumentException>(() => TensorFormat.Parse("Q8_0").Dequantize(new byte[34], new float[31]));
        Assert.Throws<ArgumentException>(() => TensorFormat.Parse("Q8_0").Dequantize(new byte[33], new float[32]));
    }

    private static void AssertNear(double[] wanted, float[] found)
    {
        double largest = wanted.Max(Math.Abs);
        Assert.True(largest > 0);
        for (int i = 0; i < wanted.Length; i++) Assert.Equal(wanted[i], found[i], largest * Tolerances.Dequantized);
    }
}
