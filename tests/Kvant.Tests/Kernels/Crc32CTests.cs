using System.Text;
using Kvant.Kernels;

namespace Kvant.Tests.Kernels;

public sealed class Crc32CTests
{
    [Fact]
    public void CheckValueOfTheCatalogueIsMet() => Assert.Equal(0xE3069283u, Crc32C.Compute(Encoding.ASCII.GetBytes("123456789")));

    [Fact]
    public void VectorsOfRfc3720AreMet()
    {
        Assert.Equal(0u, Crc32C.Compute([]));
        Assert.Equal(0x8A9136AAu, Crc32C.Compute(new byte[32]));
        Assert.Equal(0x62A8AB43u, Crc32C.Compute(Enumerable.Repeat((byte)0xff, 32).ToArray()));
        Assert.Equal(0x46DD794Eu, Crc32C.Compute(Enumerable.Range(0, 32).Select(i => (byte)i).ToArray()));
    }

    [Fact]
    public void AnySplitGivesTheSameChecksum()
    {
        byte[] bytes = new byte[41];
        new Random(5).NextBytes(bytes);
        uint whole = Crc32C.Compute(bytes);
        for (int i = 0; i <= bytes.Length; i++) Assert.Equal(whole, Crc32C.Append(Crc32C.Compute(bytes.AsSpan(..i)), bytes.AsSpan(i..)));
    }
}
