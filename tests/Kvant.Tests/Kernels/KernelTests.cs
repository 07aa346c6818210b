using Kvant.Kernels;

namespace Kvant.Tests.Kernels;

/// <summary>Every kernel: the scalar loop against double precision, then every width against the scalar loop, bit for bit.</summary>
[Collection(Widths.Name)]
[Trait(Widths.Trait, "width")]
public sealed class KernelTests
{
    public static TheoryData<int> Lengths => [.. Enumerable.Range(0, 70), 80, 96, 100, 112, 127, 128, 129, 256, 576];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(8)]
    [InlineData(16)]
    [InlineData(32)]
    [InlineData(64)]
    [InlineData(128)]
    [InlineData(256)]
    [InlineData(512)]
    [InlineData(4096)]
    public void HadamardIsTheWalshMatrixAndTheSameBitsAtEveryWidth(int length)
    {
        float[] row = TestRows.Gaussian(1, length, seed: length), signs = TestRows.Gaussian(1, length, seed: length + 1);
        float[][] results = Widths.AtEach(() =>
        {
            var result = new float[length];
            Hadamard.Transform(row, signs, result, length);
            return result;
        });

        for (int i = 0; i < length; i += Math.Max(1, length / 64))
        {
            double sum = 0, size = 0;
            for (int j = 0; j < length; j++)
            {
                double term = (double)row[j] * signs[j];
                sum += int.IsEvenInteger(int.PopCount(i & j)) ? term : -term;
                size += Math.Abs(term);
            }

            Assert.Equal(sum, results[0][i], 1e-5 * size);
        }

        Assert.All(results, r => Assert.Equal(results[0], r));
        Hadamard.Transform(row, signs, row, length); // in place
        Assert.Equal(results[0], row);
    }

    [Theory]
    [InlineData(8, 3, 1)]
    [InlineData(16, 5, 2)]
    [InlineData(32, 3, 4)]
    [InlineData(128, 1, 5)]
    public void HadamardOfManyRunsIsThatOfEach(int length, int runs, int rows)
    {
        float[] signs = TestRows.Gaussian(1, length * runs, seed: 1), all = TestRows.Gaussian(rows, length * runs, seed: 2);
        float[][] together = Widths.AtEach(() =>
        {
            var result = new float[all.Length];
            Hadamard.Transform(all, signs, result, length);
            return result;
        });
        var apart = new float[all.Length];
        for (int i = 0; i < all.Length; i += length)
            Hadamard.Transform(all.AsSpan(i, length), signs.AsSpan(i % signs.Length, length), apart.AsSpan(i, length), length);
        Assert.All(together, r => Assert.Equal(apart, r));
    }

    [Theory]
    [InlineData(4, 3)]
    [InlineData(16, 3)]
    [InlineData(32, 5)]
    [InlineData(64, 7)]
    [InlineData(128, 1)]
    [InlineData(128, 5)]
    [InlineData(256, 3)]
    [InlineData(1024, 2)]
    public void HadamardRoundsAreTransformsOneByOneAtEveryWidth(int length, int rows)
    {
        float[] signs = TestRows.Gaussian(3, length, seed: 3), all = TestRows.Gaussian(rows, length, seed: 4);
        float[][] together = Widths.AtEach(() =>
        {
            var result = new float[all.Length];
            Hadamard.Rounds(all, signs, result, length);
            return result;
        });
        var apart = (float[])all.Clone();
        for (int round = 0; round < 3; round++)
            Hadamard.Transform(apart, signs.AsSpan(round * length, length), apart, length);
        Assert.All(together, r => Assert.Equal(apart, r));
        Hadamard.Rounds(all, signs, all, length); // in place
        Assert.Equal(apart, all);
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void DotIsTheSumAndTheSameBitsAtEveryWidth(int length)
    {
        float[] a = TestRows.Gaussian(1, length, seed: length), b = TestRows.Gaussian(1, length, seed: length + 1);
        float[] results = Widths.AtEach(() => Reductions.Dot(a, b));
        Assert.Equal(a.Zip(b, (x, y) => (double)x * y).Sum(), results[0], 1e-5 * (1 + length));
        Assert.All(results, r => Assert.Equal(results[0], r));
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void ProductsAreTheSameBitsAtEveryWidth(int length)
    {
        float[] a = TestRows.Gaussian(1, length, seed: length), b = TestRows.Gaussian(1, length, seed: length + 1);
        float[][] results = Widths.AtEach(() =>
        {
            var result = new float[2 * length];
            Elementwise.Multiply(a, b, result.AsSpan(0, length));
            b.CopyTo(result.AsSpan(length));
            Elementwise.MultiplyAdd(a, 0.3f, result.AsSpan(length));
            return result;
        });
        for (int i = 0; i < length; i++)
        {
            Assert.Equal(a[i] * b[i], results[0][i]);
            float product = a[i] * 0.3f; // a variable, so that nothing may fuse
            Assert.Equal(b[i] + product, results[0][length + i]);
        }

        Assert.All(results, r => Assert.Equal(results[0], r));
    }

    [Theory]
    [InlineData(3, 32)]
    [InlineData(5, 16)]
    [InlineData(7, 16)]
    [InlineData(9, 64)]
    [InlineData(9, 8)]
    [InlineData(3, 4)]
    [InlineData(31, 1)]
    [InlineData(25, 2)]
    public void SegmentsAreMixedByTheMatrixAndTheSameBitsAtEveryWidth(int count, int segment)
    {
        float[] row = TestRows.Gaussian(1, count * segment, seed: count), matrix = TestRows.Gaussian(count, count, seed: segment);
        float[][] results = Widths.AtEach(() =>
        {
            var result = new float[row.Length];
            SegmentMix.Apply(row, matrix, count, result);
            return result;
        });
        for (int i = 0; i < row.Length; i++)
        {
            double sum = 0;
            for (int k = 0; k < count; k++)
                sum += (double)matrix[(i / segment * count) + k] * row[(k * segment) + (i % segment)];
            Assert.Equal(sum, results[0][i], 1e-5 * count);
        }

        Assert.All(results, r => Assert.Equal(results[0], r));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(8)]
    public void NearestLevelIsNearestAndTheSameAtEveryWidth(int bits)
    {
        Codebooks.Codebook codebook = Codebooks.Codebook.LloydMax(64, bits);
        foreach (int length in (int[])[0, 1, 7, 8, 15, 16, 31, 32, 33, 63, 64, 80, 112, 128, 200])
        {
            float[] row = TestRows.Gaussian(1, length, seed: length);
            for (int i = 0; i + 8 < length; i += 9)
                row[i] = i % 2 == 0 ? codebook.Thresholds.IsEmpty ? 0 : codebook.Thresholds[0] : -0f; // ties and negative zero
            (byte[] Codes, float[] Levels)[] results = Widths.AtEach(() =>
            {
                byte[] codes = new byte[length];
                float[] nearest = new float[length];
                NearestLevel.Find(row, 1, codebook.Levels, codebook.Thresholds, codes, nearest);
                return (codes, nearest);
            });
            for (int i = 0; i < length; i++)
            {
                float[] centroids = codebook.Centroids.ToArray();
                Assert.Equal(centroids[results[0].Codes[i]], results[0].Levels[i]);
                Assert.Equal(centroids.Min(c => Math.Abs((double)c - row[i])), Math.Abs((double)results[0].Levels[i] - row[i]), 1e-7);
            }

            Assert.All(results, r => Assert.Equal(results[0].Codes, r.Codes));
            Assert.All(results, r => Assert.Equal(results[0].Levels, r.Levels));
        }
    }

    [Theory]
    [InlineData(100, 4)]
    [InlineData(64, 1)]
    [InlineData(7, 2)]
    public void LevelsAndSquaresOfManyRowsAreThoseOfEachAtEveryWidth(int length, int bits)
    {
        const int Rows = 3;
        Codebooks.Codebook codebook = Codebooks.Codebook.LloydMax(64, bits);
        float[] rows = TestRows.Gaussian(Rows, length, seed: length), factors = [1, 0, 0.7f];
        byte[][] all = Widths.AtEach(() =>
        {
            byte[] codes = new byte[rows.Length];
            float[] nearest = new float[rows.Length], products = new float[Rows], levelSquares = new float[Rows], squares = new float[Rows];
            NearestLevel.FindMany(rows, factors, codebook.Levels, codebook.Thresholds, codes, nearest, products, levelSquares);
            Reductions.Squares(rows, squares);
            for (int r = 0; r < Rows; r++)
            {
                float[] row = rows[(r * length)..((r + 1) * length)], levels = new float[length];
                byte[] rowCodes = new byte[length];
                Assert.Equal((products[r], levelSquares[r]), NearestLevel.Find(row, factors[r], codebook.Levels, codebook.Thresholds, rowCodes, levels));
                Assert.Equal(rowCodes, codes[(r * length)..((r + 1) * length)]);
                Assert.Equal(levels, nearest[(r * length)..((r + 1) * length)]);
                Assert.Equal(Reductions.Dot(row, row), squares[r]);
            }

            return codes;
        });
        Assert.All(all, codes => Assert.Equal(all[0], codes));
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void OneBadNumberAnywhereIsNotFinite(int length)
    {
        float[] row = TestRows.Gaussian(1, length, seed: length, scale: 1e30);
        Assert.All(Widths.AtEach(() => Finiteness.All(row)), Assert.True);
        for (int i = 0; i < length; i += 3)
        {
            float kept = row[i];
            row[i] = (i % 4) switch { 0 => float.NaN, 1 => float.PositiveInfinity, 2 => float.NegativeInfinity, _ => -float.NaN };
            Assert.All(Widths.AtEach(() => Finiteness.All(row)), Assert.False);
            row[i] = kept;
        }
    }

    [Fact]
    public void HalvesAreThoseOfTheCastAtEveryWidthAndBack()
    {
        // Every half, the floats around the middle between it and the next, and the ends of the range.
        float[] numbers =
        [
            .. Enumerable.Range(0, 0x7C00).SelectMany(bits =>
            {
                float half = (float)BitConverter.UInt16BitsToHalf((ushort)bits), next = (float)BitConverter.UInt16BitsToHalf((ushort)(bits + 1));
                float middle = bits == 0x7BFF ? MathF.BitDecrement(65520) : half + ((next - half) / 2);
                return (float[])[half, -half, middle, MathF.BitDecrement(middle), -middle, bits == 0x7BFF ? half : MathF.BitIncrement(middle)];
            }),
            float.Epsilon, -float.Epsilon, -0f, 1e-30f, 3e-8f,
        ];
        ushort[] expected = [.. numbers.Select(x => BitConverter.HalfToUInt16Bits((Half)x))];
        float[] back = [.. expected.Select(h => (float)BitConverter.UInt16BitsToHalf(h))];
        foreach ((ushort[] halves, float[] widened) in Widths.AtEach(() =>
        {
            ushort[] halves = new ushort[numbers.Length];
            float[] widened = new float[numbers.Length];
            Halves.Round(numbers, halves);
            Halves.Widen(halves, widened);
            return (halves, widened);
        }))
        {
            Assert.Equal(expected, halves);
            Assert.Equal(back.Select(BitConverter.SingleToInt32Bits), widened.Select(BitConverter.SingleToInt32Bits));
        }
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void OneNumberThatIsTooLargeOrNoneIsFoundAnywhere(int length)
    {
        float[] numbers = TestRows.Gaussian(1, length, seed: length);
        Assert.All(Widths.AtEach(() => Halves.AreAtMost(numbers, 100)), Assert.True);
        foreach (float bad in (float[])[-101, 101, float.NaN, float.PositiveInfinity])
        {
            for (int i = 0; i < length; i += 1 + (length / 9))
            {
                float[] changed = [.. numbers];
                changed[i] = bad;
                Assert.All(Widths.AtEach(() => Halves.AreAtMost(changed, 100)), Assert.False);
            }
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(8)]
    [InlineData(16)]
    [InlineData(64)]
    public void CodesGiveTheirLevelsTimesTheScaleAtEveryWidth(int levels)
    {
        float[] table = TestRows.Gaussian(1, levels, seed: levels);
        foreach (int count in (int[])[0, 1, 7, 8, 15, 16, 17, 40, 128, 131])
        {
            byte[] codes = [.. Enumerable.Range(0, count).Select(i => (byte)(i * 7 % levels))];
            float[] expected = [.. codes.Select(c => table[c] * 1.7f)];
            Assert.All(
                Widths.AtEach(() =>
                {
                    var numbers = new float[count];
                    LevelLookUp.Run(codes, table, 1.7f, numbers);
                    return numbers;
                }),
                numbers => Assert.Equal(expected, numbers));
        }
    }
}
