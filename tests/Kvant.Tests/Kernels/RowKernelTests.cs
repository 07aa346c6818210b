using System.Runtime.InteropServices;
using Kvant.Kernels;

namespace Kvant.Tests.Kernels;

/// <summary>The kernels that attend to rows, at every width, against sums in double precision over numbers that are read one by one here.</summary>
[Collection(Widths.Name)]
[Trait(Widths.Trait, "width")]
public sealed class RowKernelTests
{
    private static readonly int[] s_dimensions = [1, 7, 20, 32, 64, 80, 96, 112, 128, 256];
    private static readonly int[] s_rows = [0, 1, 3, 4, 5, 17, 128, 129];
    private static readonly int[] s_queries = [1, 2, 5, 8, 16];

    public static TheoryData<string> Formats => ["single", "half", "bfloat16", "byte", "4 bits", "4 bits, signed", "2 bits", "q8_0", "q4_0"];

    [Theory]
    [MemberData(nameof(Formats))]
    public void ScoresAndSumsAreThoseOfTheNumbersAtEveryWidth(string format)
    {
        switch (format)
        {
            case "single": Check<SingleRows>(format, 1, d => 4 * d, (row, c) => MemoryMarshal.Cast<byte, float>(row)[c]); break;
            case "half": Check<HalfRows>(format, 1, d => 2 * d, (row, c) => (double)MemoryMarshal.Cast<byte, Half>(row)[c]); break;
            case "bfloat16": Check<BrainFloatRows>(format, 1, d => 2 * d, (row, c) => BitConverter.Int32BitsToSingle(MemoryMarshal.Cast<byte, ushort>(row)[c] << 16)); break;
            case "byte": Check<ByteRows>(format, 1, d => d, (row, c) => (sbyte)row[c]); break;
            case "4 bits": Check<Field4Rows>(format, 1, d => (d + 1) / 2, (row, c) => (row[c / 2] >> (c % 2 * 4)) % 16); break;
            case "4 bits, signed": Check<SignedField4Rows>(format, 1, d => (d + 1) / 2, (row, c) => ((row[c / 2] >> (c % 2 * 4)) % 16) - 8); break;
            case "2 bits": Check<Field2Rows>(format, 1, d => (d + 3) / 4, (row, c) => (row[c / 4] >> (c % 4 * 2)) % 4); break;
            case "q8_0": Check<GgmlByteRows>(format, 32, d => d / 32 * 34, (row, c) => (sbyte)row[(c / 32 * 34) + 2 + (c % 32)]); break;
            default: Check<GgmlNibbleRows>(format, 32, d => d / 32 * 18, (row, c) => ((row[(c / 32 * 18) + 2 + (c % 16)] >> (c % 32 / 16 * 4)) % 16) - 8); break;
        }
    }

    [Fact]
    public void EveryFiniteHalfIsExactAtEveryWidth()
    {
        short[] halves = [.. Enumerable.Range(0, 1 << 16).Where(bits => (bits & 0x7C00) != 0x7C00).Select(bits => (short)bits)];
        float[][] found = Widths.AtEach(() =>
        {
            // Times 1 into sums of 0: what was read.
            var sums = new float[halves.Length];
            RowSums.Add<HalfRows>(new RowRun(MemoryMarshal.AsBytes(halves), 2 * halves.Length, 1), 0, halves.Length, [1], 1, 1, sums, halves.Length);
            var unscaled = new float[halves.Length];
            RowSums.Add<UnscaledHalfRows>(new RowRun(MemoryMarshal.AsBytes(halves), 2 * halves.Length, 1), 0, halves.Length, [HalfBits.Bias], 1, 1, unscaled, halves.Length);
            Assert.Equal(sums, unscaled);
            return sums;
        });
        Assert.All(found, f => Assert.Equal(halves.Select(h => (float)BitConverter.Int16BitsToHalf(h)), f));
    }

    [Theory]
    [InlineData(7)]
    [InlineData(80)]
    [InlineData(128)]
    public void MinimumAndStepOfEachChannelGoIntoTheQueryAtEveryWidth(int channels)
    {
        float[] query = TestRows.Gaussian(1, channels, seed: 1);
        Half[] parameters = [.. TestRows.Gaussian(2, channels, seed: 2).Select(x => (Half)x)];
        double constant = Enumerable.Range(0, channels).Sum(c => query[c] * (double)parameters[2 * c]);
        foreach ((float found, float[] folded) in Widths.AtEach(() =>
        {
            var folded = new float[channels];
            return (ChannelFold.Apply(MemoryMarshal.AsBytes(parameters), query, folded), folded);
        }))
        {
            Assert.Equal(constant, found, Tolerances.Attention * channels);
            Assert.Equal(Enumerable.Range(0, channels).Select(c => query[c] * (float)parameters[(2 * c) + 1]), folded);
        }
    }

    private static void Check<TFormat>(string format, int unit, Func<int, int> bytesPerRow, Func<byte[], int, double> number)
        where TFormat : IRowFormat
    {
        foreach (int dimension in s_dimensions.Where(d => d % unit == 0))
        {
            foreach (int rows in s_rows)
            {
                // The last row ends with the memory, the others have a few bytes between them.
                int length = bytesPerRow(dimension), stride = length + 3;
                byte[] bytes = Content(format, Math.Max(0, (rows * stride) - 3));
                double[][] numbers = [.. Enumerable.Range(0, rows).Select(r => bytes.AsSpan(r * stride, length).ToArray()).Select(row => Enumerable.Range(0, dimension).Select(c => number(row, c)).ToArray())];
                int queries = s_queries[(dimension + rows) % s_queries.Length];
                string name = $"{format}, dimension {dimension}, {rows} rows, {queries} queries";
                CheckScores<TFormat>(bytes, stride, numbers, dimension, queries, scaled: false, name);
                CheckSums<TFormat>(bytes, stride, numbers, dimension, queries, name);
                if (unit == 32)
                    CheckScores<ScaledRows<TFormat>>(bytes, stride, numbers, dimension, queries, scaled: true, name);
            }
        }
    }

    private static void CheckScores<TFormat>(byte[] bytes, int stride, double[][] numbers, int dimension, int queries, bool scaled, string name)
        where TFormat : IRowFormat
    {
        int rows = numbers.Length, groups = dimension / 32;
        float[] query = TestRows.Gaussian(queries, dimension + 2, seed: rows), scales = TestRows.Gaussian(groups, rows, seed: 9);
        var expected = new Sum[queries * rows];
        for (int i = 0; i < expected.Length; i++)
        {
            int q = i / rows, r = i % rows;
            for (int c = 0; c < dimension; c++)
                expected[i].Add(query[(q * (dimension + 2)) + c] * numbers[r][c] * (scaled ? scales[(c / 32 * rows) + r] : 1));
        }

        using GuardedMemory memory = GuardedMemory.Copy<byte>(bytes);
        foreach (float[] scores in Widths.AtEach(() =>
        {
            using var result = new GuardedMemory(queries * rows * sizeof(float));
            var run = new RowRun(memory.Bytes, stride, rows) { Scales = scaled ? scales : [], Upcoming = memory.Bytes };
            RowScores.Compute<TFormat>(run, dimension, query, dimension + 2, queries, result.Floats, rows);
            result.AssertIntact(name);
            return result.Floats.ToArray();
        }))
        {
            AssertNear(expected, scores, rows, $"{name}: scores");
        }
    }

    private static void CheckSums<TFormat>(byte[] bytes, int stride, double[][] numbers, int dimension, int queries, string name)
        where TFormat : IRowFormat
    {
        // From a column on that groups begin at, into sums that are there already.
        int rows = numbers.Length, start = dimension > 64 ? 32 : 0;
        float[] weights = TestRows.Gaussian(queries, rows + 1, seed: 3), before = TestRows.Gaussian(queries, dimension, seed: 4);
        var expected = new Sum[before.Length];
        for (int i = 0; i < expected.Length; i++)
        {
            int q = i / dimension, c = i % dimension;
            expected[i].Add(before[i]);
            for (int r = 0; r < rows && c >= start; r++)
                expected[i].Add(weights[(q * (rows + 1)) + r] * numbers[r][c]);
        }

        using GuardedMemory memory = GuardedMemory.Copy<byte>(bytes);
        foreach (float[] sums in Widths.AtEach(() =>
        {
            using GuardedMemory result = GuardedMemory.Copy<float>(before);
            var run = new RowRun(memory.Bytes, stride, rows) { Upcoming = memory.Bytes };
            RowSums.Add<TFormat>(run, start, dimension - start, weights, rows + 1, queries, result.Floats, dimension);
            result.AssertIntact(name);
            return result.Floats.ToArray();
        }))
        {
            AssertNear(expected, sums, dimension, $"{name}: sums");
        }
    }

    private static void AssertNear(Sum[] expected, float[] found, int perQuery, string name)
    {
        Assert.Equal(expected.Length, found.Length);
        for (int i = 0; i < found.Length; i++)
        {
            double allowed = (Tolerances.FloatSum * expected[i].Size) + (expected[i].Terms * float.Epsilon);
            // Not NaN either.
            if (!(Math.Abs(expected[i].Value - found[i]) <= allowed))
                Assert.Fail($"{name} of query {i / perQuery}, number {i % perQuery}: {found[i]}, wanted {expected[i].Value} +-{allowed:G3}.");
        }
    }

    // Any bytes where these are integers; floats below 2 in magnitude, wherever they begin.
    private static byte[] Content(string format, int length)
    {
        var bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return format is "single" or "half" or "bfloat16" ? [.. bytes.Select(b => (byte)(b & 0xBF))] : bytes;
    }

    // A sum of terms, and that of their magnitudes.
    private struct Sum
    {
        public double Value { get; private set; }

        public double Size { get; private set; }

        public int Terms { get; private set; }

        public void Add(double term)
        {
            Value += term;
            Size += Math.Abs(term);
            Terms++;
        }
    }
}
