using System.Runtime.Intrinsics;
using Kvant.Codecs;
using Kvant.Kernels;

namespace Kvant.Tests.Kernels;

/// <summary>Codes in tiles: where they lie, and integer arithmetic on them.</summary>
[Collection(Widths.Name)]
[Trait(Widths.Trait, "width")]
public sealed class TileTests
{
    private const int Rows = 128;

    public static TheoryData<string> TiledSpecs => ["turboquant:bits=1,code=trellis", .. from bits in (int[])[2, 3, 4] from rest in (string[])["", ",scale=unbiased", ",group=32", ",code=uniform", ",code=trellis", ",code=trellis,group=32"] select $"turboquant:bits={bits}{rest}"];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void EveryCodeLiesWhereTheLayoutSays(int bits)
    {
        const int Dimension = 48;
        foreach (bool keys in (bool[])[true, false])
        {
            var random = new Random(bits);
            byte[] codes = [.. Enumerable.Range(0, TileLayout.Rows * Dimension).Select(_ => (byte)random.Next(1 << bits))];
            byte[] units = new byte[Dimension / TileLayout.Coordinates * TileLayout.UnitBytes(bits)], back = new byte[codes.Length];
            TileLayout.Pack(codes, Dimension, bits, keys, units);
            for (int i = 0; i < codes.Length; i++)
            {
                int row = i / Dimension, coordinate = i % Dimension;
                (int register, int at) = TileLayout.Place(row, coordinate % TileLayout.Coordinates, keys);
                Assert.Equal(codes[i], Stored(units.AsSpan(coordinate / TileLayout.Coordinates * TileLayout.UnitBytes(bits)), bits, register, at));
            }

            TileLayout.Unpack(units, Dimension, bits, keys, back);
            Assert.Equal(codes, back);
        }
    }

    [Theory]
    [MemberData(nameof(TiledSpecs))]
    public void TilesHoldTheRowsThatRowsHoldInAsManyBytes(string spec)
    {
        foreach (int dimension in (int[])[32, 64, 96, 128, 192, 256])
        {
            float[] rows = TestRows.Gaussian(Rows, dimension, seed: dimension);
            Codec single = CodecCases.Create(spec, dimension);
            byte[] expected = CodecCases.Encode(single, rows);
            foreach (CodecRole role in (CodecRole[])[CodecRole.KeyTiles, CodecRole.ValueTiles])
            {
                Codec tiled = CodecCases.Create(spec, dimension, role);
                byte[] blocks = CodecCases.Encode(tiled, rows);
                Assert.Equal(TileLayout.Rows, tiled.RowsPerBlock);
                Assert.Equal(expected.Length, blocks.Length);
                Assert.Equal(CodecCases.Decode(single, expected), CodecCases.Decode(tiled, blocks));
            }
        }
    }

    [Theory]
    [InlineData("turboquant:bits=4", 8)]
    [InlineData("turboquant:bits=4", 72)]
    [InlineData("turboquant:bits=1", 128)]
    [InlineData("turboquant:bits=5", 128)]
    [InlineData("turboquant:bits=4", 2048)]
    public void ShapesWithoutTilesKeepSingleRows(string spec, int dimension) =>
        Assert.Equal(1, CodecSpec.Parse(spec).CreateCodec(dimension, CodecRole.KeyTiles).RowsPerBlock);

    [Theory]
    [MemberData(nameof(TiledSpecs))]
    public void IntegerScoresAndSumsAreTheSameAtEveryWidth(string spec)
    {
        // A leg without vectors has the scalar loop alone, which is no comparison.
        if (Widths.All.Length == 1)
            return;
        foreach (int dimension in (int[])[32, 80, 128, 576])
        {
            if (CodecCases.TryCreate(spec, dimension, CodecRole.KeyTiles) is not { } keys)
                continue;
            Codec values = CodecCases.Create(spec, dimension, CodecRole.ValueTiles);
            // The widest rows take the longest to encode: two tiles of them.
            float[] rows = TestRows.Gaussian((dimension > 128 ? 2 : 5) * TileLayout.Rows, dimension, seed: 3);
            byte[] keyBlocks = CodecCases.Encode(keys, rows), valueBlocks = CodecCases.Encode(values, rows);
            foreach (int queries in (int[])[1, 2, 3, 4, 7, 16])
            {
                (float[] Scores, float[] Sums)[] results = Widths.AtEach(() => Attend(keys, values, keyBlocks, valueBlocks, queries));
                (float[] Scores, float[] Sums)[] beside = Widths.AtEach(() => Attend(keys, values, keyBlocks, valueBlocks, queries, peak: 1000));
                double largest = beside[0].Sums.Max(Math.Abs);
                for (int i = 0; i < results.Length; i++)
                {
                    // The integers are the same; the last float steps may be fused on some processors.
                    AssertClose(results[0].Scores, results[i].Scores, $"{spec}, dimension {dimension}, {queries} queries: scores");
                    AssertClose(results[0].Sums, results[i].Sums, $"{spec}, dimension {dimension}, {queries} queries: sums");
                    // Rows of a weight of 1000 are added apart, and the others to what they come to.
                    AssertClose(beside[0].Sums, beside[i].Sums, $"{spec}, dimension {dimension}, {queries} queries: sums beside a peak", largest);
                }
            }
        }
    }

    // Groups of three heads, of six and of seven are as common as those of four.
    [Theory]
    [MemberData(nameof(TiledSpecs))]
    public void EachQueryGetsWhatItGetsAlone(string spec)
    {
        const int Dimension = 64;
        Codec keys = CodecCases.Create(spec, Dimension, CodecRole.KeyTiles), values = CodecCases.Create(spec, Dimension, CodecRole.ValueTiles);
        float[] rows = TestRows.Gaussian(7 * TileLayout.Rows, Dimension, seed: 21);
        byte[] keyBlocks = CodecCases.Encode(keys, rows), valueBlocks = CodecCases.Encode(values, rows);
        Widths.AtEach(() =>
        {
            foreach (float peak in (float[])[0, 1000])
            {
                (float[] Scores, float[] Sums)[] alone = [.. Enumerable.Range(0, 9).Select(q => Attend(keys, values, keyBlocks, valueBlocks, 1, peak, q))];
                for (int queries = 2; queries <= alone.Length; queries++)
                {
                    (float[] scores, float[] sums) = Attend(keys, values, keyBlocks, valueBlocks, queries, peak);
                    for (int q = 0; q < queries; q++)
                    {
                        AssertClose(alone[q].Scores, scores[(q * alone[q].Scores.Length)..][..alone[q].Scores.Length], $"{spec}, query {q} of {queries}: scores");
                        AssertClose(alone[q].Sums, sums[(q * Dimension)..][..Dimension], $"{spec}, query {q} of {queries}, peak {peak}: sums");
                    }
                }
            }

            return 0;
        });
    }

    [Theory]
    [MemberData(nameof(TiledSpecs))]
    public void IntegersAddLittleToWhatTheCodesLose(string spec)
    {
        foreach (int dimension in (int[])[64, 96, 128])
        {
            Codec keys = CodecCases.Create(spec, dimension, CodecRole.KeyTiles), values = CodecCases.Create(spec, dimension, CodecRole.ValueTiles);
            const int Tiles = 5, Queries = 16;
            float[] rows = TestRows.Gaussian(Tiles * TileLayout.Rows, dimension, seed: 8), queries = TestRows.Gaussian(Queries, dimension, seed: 9);
            byte[] blocks = CodecCases.Encode(keys, rows);
            PreparedQueries prepared = keys.CreatePreparedQueries(Queries);
            keys.Prepare(queries, prepared);
            float[] exact = new float[Queries * Tiles * TileLayout.Rows], fast = new float[exact.Length], truth = new float[exact.Length];
            keys.Score(prepared, blocks, exact);
            keys.Score(prepared, blocks, fast, Arithmetic.Fast);
            for (int i = 0; i < truth.Length; i++)
                truth[i] = (float)Measure.Dot(queries.AsSpan(i / (Tiles * TileLayout.Rows) * dimension, dimension), rows.AsSpan(i % (Tiles * TileLayout.Rows) * dimension, dimension));
            AssertSmallBeside(exact, fast, truth, $"{spec}, dimension {dimension}: scores");

            // Weights of a softmax over logits of standard deviation 1.
            float[] weights = [.. TestRows.Gaussian(Queries, Tiles * TileLayout.Rows, seed: 10).Select(MathF.Exp)];
            blocks = CodecCases.Encode(values, rows);
            exact = Sums(values, weights, blocks, Queries, Arithmetic.Exact);
            fast = Sums(values, weights, blocks, Queries, Arithmetic.Fast);
            truth = new float[exact.Length];
            for (int i = 0; i < truth.Length; i++)
            {
                double sum = 0;
                for (int row = 0; row < Tiles * TileLayout.Rows; row++)
                    sum += (double)weights[(i / dimension * Tiles * TileLayout.Rows) + row] * rows[(row * dimension) + (i % dimension)];
                truth[i] = (float)sum;
            }

            AssertSmallBeside(exact, fast, truth, $"{spec}, dimension {dimension}: sums");
        }
    }

    [Fact]
    public void OperationsThatSomeProcessorsLackGiveTheSameNumbers()
    {
        // The range that tiles use: 0 to 127 times -127 to 127.
        var random = new Random(7);
        for (int i = 0; i < 2000; i++)
        {
            byte[] unsigned = [.. Enumerable.Range(0, 16).Select(_ => (byte)random.Next(128))], signed = [.. Enumerable.Range(0, 16).Select(_ => (byte)(sbyte)random.Next(-127, 128))];
            Vector128<byte> a = Vector128.Create(unsigned), b = Vector128.Create(signed), products = TileSimd128.MultiplyAddPortable(a, b);
            for (int lane = 0; lane < 8; lane++)
            {
                int expected = (unsigned[2 * lane] * (sbyte)signed[2 * lane]) + (unsigned[(2 * lane) + 1] * (sbyte)signed[(2 * lane) + 1]);
                Assert.Equal(expected, products.AsInt16()[lane]);
            }

            Assert.Equal(products, TileSimd128.MultiplyAdd(a, b));
            Assert.Equal(products.AsInt16()[0] + products.AsInt16()[1], TileSimd128.SumPairsPortable(products).AsInt32()[0]);
            Assert.Equal(TileSimd128.SumPairsPortable(products), TileSimd128.SumPairs(products));
        }
    }

    private static int Stored(ReadOnlySpan<byte> unit, int bits, int register, int at) => bits switch
    {
        1 => (unit[at] >> register) & 1,
        2 => (unit[(register / 4 * 64) + at] >> (register % 4 * 2)) & 3,
        4 => (unit[(register / 2 * 64) + at] >> (register % 2 * 4)) & 15,
        _ when register < 6 => (unit[(register / 2 * 64) + at] >> (register % 2 * 3)) & 7,
        _ => (((unit[at] >> 6) | (unit[64 + at] >> 6 << 2) | (unit[128 + at] >> 6 << 4)) >> ((register - 6) * 3)) & 7,
    };

    private static (float[] Scores, float[] Sums) Attend(Codec keys, Codec values, byte[] keyBlocks, byte[] valueBlocks, int queries, float peak = 0, int firstQuery = 0)
    {
        int rows = keyBlocks.Length / keys.BytesPerBlock * keys.RowsPerBlock;
        PreparedQueries prepared = keys.CreatePreparedQueries(queries);
        keys.Prepare(TestRows.Gaussian(firstQuery + queries, keys.Dimension, seed: 4).AsSpan(firstQuery * keys.Dimension), prepared);
        float[] scores = new float[queries * rows];
        keys.Score(prepared, keyBlocks, scores, Arithmetic.Fast, keyBlocks);
        float[] weights = [.. TestRows.Gaussian(firstQuery + queries, rows, seed: 5)[(firstQuery * rows)..].Select(MathF.Exp)], sums = new float[queries * values.Dimension];
        for (int q = 0; q < queries && peak > 0; q++)
            weights[(q * rows) + ((firstQuery + q) * 13 % rows)] = peak;
        values.Accumulate(weights, valueBlocks, sums, Arithmetic.Fast, valueBlocks);
        return (scores, sums);
    }

    private static float[] Sums(Codec values, float[] weights, byte[] blocks, int queries, Arithmetic arithmetic)
    {
        float[] sums = new float[queries * values.Dimension];
        values.Accumulate(weights, blocks, sums, arithmetic);
        values.Finish(sums, sums);
        return sums;
    }

    private static void AssertClose(float[] expected, float[] actual, string what, double? relativeTo = null)
    {
        double size = relativeTo ?? Math.Sqrt(Measure.SquaredNorm(expected) / expected.Length);
        for (int i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= Tolerances.SameIntegers * size, $"{what}: {actual[i]} at {i}, the scalar loop gives {expected[i]}.");
    }

    private static void AssertSmallBeside(float[] exact, float[] fast, float[] truth, string what)
    {
        double codes = 0, integers = 0;
        for (int i = 0; i < truth.Length; i++)
        {
            codes += Measure.Square(exact[i] - truth[i]);
            integers += Measure.Square(fast[i] - exact[i]);
        }

        // Independent errors add by their squares. Zeros in place of scores would be far more than what the codes lose.
        double added = Math.Sqrt(1 + (integers / codes)) - 1;
        Assert.True(added <= Tolerances.IntegerArithmetic, $"{what}: integers add {added:P2} to the error of the codes.");
    }
}
