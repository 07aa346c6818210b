using Kvant.Packing;

namespace Kvant.Tests.Packing;

public sealed class BitPackingTests
{
    [Theory]
    [MemberData(nameof(Cases))]
    public void CodesLieBitByBitWithoutGapsAndComeBack(int bits, int count)
    {
        var random = new Random((bits * 1000) + count);
        byte[] codes = [.. Enumerable.Range(0, count).Select(_ => (byte)random.Next(1 << bits))];
        byte[] packed = new byte[BitPacking.ByteCount(count, bits)];
        BitPacking.Pack(codes, bits, packed);

        byte[] expected = new byte[packed.Length];
        for (int i = 0; i < count * bits; i++)
            expected[i / 8] |= (byte)((codes[i / bits] >> (i % bits) & 1) << (i % 8));
        Assert.Equal(expected, packed);

        byte[] back = new byte[count];
        BitPacking.Unpack(packed, bits, back);
        Assert.Equal(codes, back);
    }

    [Fact]
    public void HighBitsOfACodeAreCutOff()
    {
        byte[] packed = new byte[3];
        BitPacking.Pack([0xFF, 0xF8, 0xFF, 0xF8, 0xFF, 0xF8, 0xFF, 0xF8], 3, packed);
        byte[] back = new byte[8];
        BitPacking.Unpack(packed, 3, back);
        Assert.Equal([7, 0, 7, 0, 7, 0, 7, 0], back);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(9)]
    public void OtherNumbersOfBitsAreRefused(int bits) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => BitPacking.Pack([1], bits, new byte[1]));

    [Fact]
    public void WrongLengthsAreRefusedWithTheNumberWanted()
    {
        ArgumentException e = Assert.Throws<ArgumentException>(() => BitPacking.Pack(new byte[8], 3, new byte[4]));
        Assert.Contains("3 bytes; there are 4", e.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => BitPacking.Unpack(new byte[2], 3, new byte[8]));
    }

    public static TheoryData<int, int> Cases()
    {
        var data = new TheoryData<int, int>();
        for (int bits = 1; bits <= 8; bits++)
        {
            foreach (int count in (int[])[0, 1, 3, 7, 8, 9, 15, 16, 17, 24, 31, 32, 63, 64, 65, 80, 97, 128, 576])
                data.Add(bits, count);
        }

        return data;
    }
}
