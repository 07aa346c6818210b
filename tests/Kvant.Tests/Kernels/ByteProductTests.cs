using System.Runtime.Intrinsics;
using Kvant.Codebooks;
using Kvant.Kernels;

namespace Kvant.Tests.Kernels;

/// <summary>Products of bytes that a processor adds up itself, at the ends of the ranges that tiles use.</summary>
[Trait(Widths.Trait, "width")]
public sealed class ByteProductTests
{
    private readonly Random _random = new(5);

    [Fact]
    public void ProductsWithQueriesAddUpToTheirLargest()
    {
        SkipWhereThereAreNone();
        // Levels of 3 and 4 bits and of trellis codes with queries of 65; those of 2 bits with queries of 127.
        foreach ((int level, int limit) in ((int, int)[])[(126, 65), (26, 127)])
        {
            Check(true, false, _ => (byte)level, _ => (byte)(sbyte)-limit);
            Check(true, false, _ => (byte)level, _ => (byte)limit);
            for (int i = 0; i < 200; i++)
                Check(true, false, _ => (byte)_random.Next(level + 1), _ => (byte)(sbyte)_random.Next(-limit, limit + 1));
        }
    }

    [Theory]
    [InlineData("turboquant:bits=2")]
    [InlineData("turboquant:bits=3")]
    [InlineData("turboquant:bits=4")]
    [InlineData("turboquant:bits=4,code=trellis")]
    public void ProductsWithWeightsAddUpToTheirLargest(string spec)
    {
        SkipWhereThereAreNone();
        TileTable table = Table(spec);
        int level = 2 * table.Magnitude;
        // What the weights of two neighbors add up to, and what rounding may add to each.
        int most = Math.Min(byte.MaxValue, (int)table.NeighborLimit + 1), both = table.NeighborLimit + 2;
        Check(false, true, _ => (byte)level, i => (byte)(i % 2 == 0 ? most : both - most));
        Check(false, true, _ => (byte)level, i => (byte)(i % 2 == 0 ? both - most : most));
        Check(false, true, _ => (byte)level, _ => (byte)(both / 2));
        for (int i = 0; i < 200; i++)
        {
            int[] weights = [.. Enumerable.Range(0, 16).Select(_ => _random.Next(most + 1))];
            Check(false, true, _ => (byte)_random.Next(level + 1), at => (byte)(at % 2 == 0 ? weights[at] : Math.Min(weights[at], both - weights[at - 1])));
        }
    }

    private static void SkipWhereThereAreNone() => Assert.SkipUnless(TileSimd128.AddsProducts, "This processor's products of bytes are summed in 16 bits.");

    private static TileTable Table(string spec) => spec.Contains("trellis", StringComparison.Ordinal)
        ? new TileTable(new TrellisTable(TrellisTables.First(4), TrellisTables.Second(4), 4, TrellisTables.Step(4)))
        : new TileTable([.. Enumerable.Range(0, 1 << Bits(spec)).Select(i => i - (((1 << Bits(spec)) - 1) / 2f))], Bits(spec), keys: false);

    private static int Bits(string spec) => spec[^1] - '0';

    // Four registers, of 16 bytes each, with words of 4.
    private static unsafe void Check(bool signedWords, bool unsigned, Func<int, byte> level, Func<int, byte> word)
    {
        byte[] levels = [.. Enumerable.Range(0, 64).Select(level)], words = [.. Enumerable.Range(0, 16).Select(word)];
        Vector128<int> sums = Vector128.Create(1, -2, 3, -4);
        Vector128<byte>[] r = [.. Enumerable.Range(0, 4).Select(i => Vector128.Create(levels, 16 * i))];
        Vector128<byte> found;
        fixed (byte* w = words)
        {
            found = unsigned
                ? TileSimd128.AddUnsignedProducts(sums.AsByte(), (int*)w, r[0], r[1], r[2], r[3])
                : TileSimd128.AddProducts(sums.AsByte(), (int*)w, r[0], r[1], r[2], r[3]);
        }

        for (int lane = 0; lane < 4; lane++)
        {
            int expected = sums[lane];
            for (int i = 0; i < 16; i++)
                expected += levels[(i / 4 * 16) + (4 * lane) + (i % 4)] * (signedWords ? (sbyte)words[i] : words[i]);
            Assert.Equal(expected, found.AsInt32()[lane]);
        }
    }
}
