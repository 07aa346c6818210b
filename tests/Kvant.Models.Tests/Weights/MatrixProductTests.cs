using System.Buffers;
using Kvant.Attention;
using Kvant.Codecs;
using Kvant.Kernels;
using Kvant.Models.Formats;
using Kvant.Models.Gguf;
using Kvant.Models.Kernels;
using Kvant.Models.Tests.Reference;
using Kvant.Models.Weights;
using Kvant.Tests.Formats;

namespace Kvant.Models.Tests.Weights;

public sealed class MatrixProductTests
{
    public static TheoryData<string> Names => [.. TensorFormat.All.Select(f => f.Name)];

    public static TheoryData<string> Codes => [.. TensorFormat.All.Where(f => f.HasCodes).Select(f => f.Name)];

    private static IEnumerable<SimdWidth> Widths => Enum.GetValues<SimdWidth>();

    // Rows that do not fill a panel, columns that do not fill a piece of it, tokens that do not fill a block; one thread and more.
    [Theory, MemberData(nameof(Names))]
    public void ProductsAreThoseOfDoublePrecisionAtEveryWidth(string name)
    {
        foreach ((int rows, int columns) in (ReadOnlySpan<(int, int)>)[(1, 256), (7, 512), (35, 768)])
        {
            using Sample sample = new(TensorFormat.Parse(name), rows, columns);
            foreach (int tokens in (ReadOnlySpan<int>)[1, 2, 9])
            {
                foreach (SimdWidth width in Widths)
                {
                    foreach (Arithmetic arithmetic in Enum.GetValues<Arithmetic>()) sample.Check(tokens, threads: rows > 7 ? 3 : 1, arithmetic, width, bundled: false);
                    sample.Check(tokens, threads: rows > 7 ? 3 : 1, Arithmetic.Fast, width, bundled: true);
                }
            }
        }
    }

    // So many rows that a thread takes several chunks at once, and the last ones alone.
    [Theory, InlineData("F32"), InlineData("Q4_0"), InlineData("Q6_K")]
    public void LongStretchesOfRowsAreMultipliedWhole(string name)
    {
        using Sample sample = new(TensorFormat.Parse(name), 1501, 256);
        foreach (SimdWidth width in Widths)
        {
            foreach (int tokens in (ReadOnlySpan<int>)[1, 9])
            {
                sample.Check(tokens, threads: 1, Arithmetic.Fast, width, bundled: false);
                sample.Check(tokens, threads: 3, Arithmetic.Fast, width, bundled: true);
            }
        }

        sample.Check(1, threads: 2, Arithmetic.Exact, SimdSupport.Widest, bundled: false);
    }

    [Theory, InlineData("F32"), InlineData("F16"), InlineData("BF16"), InlineData("Q4_1"), InlineData("Q8_0")]
    public void RowsThatDoNotFillARegisterOrAPieceAreMultipliedToo(string name)
    {
        using Sample sample = new(TensorFormat.Parse(name), 9, name[0] == 'Q' ? 288 + 32 : 37);
        foreach (SimdWidth width in Widths)
        {
            foreach (int tokens in (ReadOnlySpan<int>)[1, 3, 10])
            {
                sample.Check(tokens, threads: 2, Arithmetic.Fast, width, bundled: false);
                sample.Check(tokens, threads: 2, Arithmetic.Fast, width, bundled: true);
            }
        }
    }

    // In front of the four bits of a code, or of eight with a sign, every bit counts: all codes of a format stand somewhere in a bundle.
    [Theory, MemberData(nameof(Codes))]
    public void BundlesHoldTheCodesOfTheirRows(string name)
    {
        TensorFormat format = TensorFormat.Parse(name);
        using Sample sample = new(format, 21, 512 + format.BlockLength);
        foreach (SimdWidth width in Widths)
        {
            Bundle bundle = sample.Bundle(width)!;
            Assert.InRange(bundle.Bytes, 1, (long)(((sample.Matrix.Rows + bundle.Lanes - 1) / bundle.Lanes * bundle.Lanes * (long)sample.Matrix.RowBytes * 1.15) + 1000));
            // One number at a time: the product is that column of every row.
            for (int column = 0; column < sample.Matrix.Columns; column += column % 7 == 0 ? 1 : 13)
            {
                float[] input = new float[sample.Matrix.Columns];
                input[column] = 1;
                float[] found = sample.Multiply(input, 1, Arithmetic.Fast, width, bundled: true);
                for (int row = 0; row < found.Length; row++) Assert.Equal(sample.Row(row)[column], found[row], Tolerances.Order * Math.Abs(sample.Row(row).Max(Math.Abs)));
            }
        }
    }

    [Fact]
    public void MatrixWithAScaleThatIsNoNumberIsNotBundled()
    {
        using Sample sample = new(TensorFormat.Parse("Q4_0"), 5, 64, blocks => blocks[18 + 1] = 0x7C);
        Assert.Null(sample.Bundle(SimdSupport.Widest));
    }

    // A number errs by up to half a step, evenly: a twelfth of the step's square. A product that is left in floats errs far less, one of zeros far more.
    [Theory, MemberData(nameof(Codes))]
    public void RoundingCostsWhatTheorySays(string name)
    {
        const int columns = 512, tokens = 12;
        using Sample sample = new(TensorFormat.Parse(name), 40, columns);
        float[] inputs = sample.Inputs(tokens);
        foreach (SimdWidth width in Widths)
        {
            foreach (int count in (ReadOnlySpan<int>)[1, tokens])
            {
                double found = 0, wanted = 0;
                for (int from = 0; from < tokens; from += count)
                {
                    float[] some = inputs[(from * columns)..((from + count) * columns)], outputs = sample.Multiply(some, 1, Arithmetic.Fast, width, bundled: from % 2 == 1);
                    for (int i = 0; i < outputs.Length; i++)
                    {
                        double[] row = sample.Row(i % sample.Matrix.Rows);
                        ReadOnlySpan<float> input = some.AsSpan(i / sample.Matrix.Rows * columns, columns);
                        found += Math.Pow(outputs[i] - Dot(row, input), 2);
                        for (int column = 0; column < columns; column++)
                            wanted += Math.Pow(row[column] * Largest(input.Slice(column / 32 * 32, 32)) / 32767, 2) / 12;
                    }
                }
                Assert.InRange(found / wanted, 1 / Tolerances.RoundingBand, Tolerances.RoundingBand);
            }
        }
    }

    // The runs' integers are exact: what is left is the order in which their floats are added.
    [Theory, MemberData(nameof(Codes))]
    public void EveryWidthGivesTheProductsOfTheScalarLoop(string name)
    {
        // Runs that are no multiple of the eight that go together.
        using Sample sample = new(TensorFormat.Parse(name), 33, 512 + TensorFormat.Parse(name).BlockLength);
        foreach (int tokens in (ReadOnlySpan<int>)[1, 11])
        {
            float[] inputs = sample.Inputs(tokens), wanted = sample.Multiply(inputs, 1, Arithmetic.Fast, SimdWidth.Scalar);
            double norm = Math.Sqrt(wanted.Average(x => (double)x * x));
            foreach (SimdWidth width in Widths)
            {
                foreach (bool bundled in (ReadOnlySpan<bool>)[false, true])
                {
                    float[] found = sample.Multiply(inputs, 2, Arithmetic.Fast, width, bundled);
                    for (int i = 0; i < found.Length; i++) Assert.Equal(wanted[i], found[i], norm * Tolerances.Order);
                }
            }
        }
    }

    // Four at a time, and what is left, in rows and in bundles.
    [Theory, MemberData(nameof(Codes))]
    public void AFewVectorsTogetherHaveTheBitsOfEachAlone(string name)
    {
        const int most = 7;
        using Sample sample = new(TensorFormat.Parse(name), 37, 512 + TensorFormat.Parse(name).BlockLength);
        float[] inputs = sample.Inputs(most);
        foreach (SimdWidth width in Widths)
        {
            foreach (bool bundled in (ReadOnlySpan<bool>)[false, true])
            {
                float[] together = sample.Multiply(inputs, 2, Arithmetic.Fast, width, bundled);
                for (int i = 0; i < most; i++)
                {
                    float[] alone = sample.Multiply(inputs[(i * sample.Matrix.Columns)..((i + 1) * sample.Matrix.Columns)], 1, Arithmetic.Fast, width, bundled);
                    Assert.Equal(alone, together[(i * alone.Length)..((i + 1) * alone.Length)]);
                }
            }
        }
    }

    [Theory, InlineData(float.NaN), InlineData(float.PositiveInfinity)]
    public void WhatIsNoNumberStaysNone(float number)
    {
        using Sample sample = new(TensorFormat.Parse("Q8_0"), 8, 256);
        foreach (int tokens in (ReadOnlySpan<int>)[1, 8])
        {
            float[] inputs = sample.Inputs(tokens);
            inputs[^5] = number;
            float[] outputs = sample.Multiply(inputs, 1, Arithmetic.Fast, SimdSupport.Widest);
            Assert.All(outputs[^8..], x => Assert.False(float.IsFinite(x)));
            Assert.All(outputs[..^8], x => Assert.True(float.IsFinite(x)));
        }
    }

    [Fact]
    public void ZerosGiveZeros()
    {
        using Sample sample = new(TensorFormat.Parse("Q4_K"), 8, 256);
        foreach (int tokens in (ReadOnlySpan<int>)[1, 8])
            Assert.All(sample.Multiply(new float[tokens * 256], 1, Arithmetic.Fast, SimdSupport.Widest), x => Assert.Equal(0, x));
    }

    [Fact]
    public void LengthsThatDoNotFitAreRefused()
    {
        using Sample sample = new(TensorFormat.F32, 4, 8);
        using WorkerTeam team = new(1);
        MatrixProduct product = new(team, 8) { FewestShared = 0 };
        Assert.Throws<ArgumentException>(() => product.Multiply(sample.Matrix, new float[9], new float[4]));
        Assert.Throws<ArgumentException>(() => product.Multiply(sample.Matrix, new float[16], new float[4]));
        Assert.Throws<ArgumentException>(() => new MatrixProduct(team, 7).Multiply(sample.Matrix, new float[8], new float[4]));
        Assert.Throws<ArgumentOutOfRangeException>(() => sample.Matrix.ReadRow(4, new float[8]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new WorkerTeam(0));
    }

    [Theory, InlineData(Arithmetic.Exact), InlineData(Arithmetic.Fast)]
    public void SecondCallIsRefusedAndTheFirstIsRight(Arithmetic arithmetic)
    {
        using Sample sample = new(TensorFormat.Parse("Q8_0"), 8, 256);
        using WorkerTeam team = new(1);
        MatrixProduct product = new(team, 256, arithmetic);
        float[] input = sample.Inputs(1), output = new float[8];
        Exception? refused = null;
        using MemoryWithHook inputs = new(input, () =>
        {
            var other = new Thread(() => refused ??= Record.Exception(() => product.Multiply(sample.Matrix, new float[256], new float[8])));
            other.Start();
            other.Join();
        });
        product.Multiply(sample.Matrix, inputs.Memory, output);
        Assert.Contains("one at a time", Assert.IsType<InvalidOperationException>(refused).Message, StringComparison.Ordinal);
        Assert.Contains(nameof(MatrixProduct), refused.Message, StringComparison.Ordinal);
        Assert.Equal(sample.Multiply(input, 1, arithmetic, SimdSupport.Widest), output);
        product.Multiply(sample.Matrix, input, output);
    }

    [Theory, InlineData(Arithmetic.Exact, 1), InlineData(Arithmetic.Exact, 9), InlineData(Arithmetic.Fast, 1), InlineData(Arithmetic.Fast, 9)]
    public void ProductsAllocateNothing(Arithmetic arithmetic, int tokens)
    {
        using Sample sample = new(TensorFormat.Parse("Q4_K"), 64, 512);
        using WorkerTeam team = new(2);
        MatrixProduct product = new(team, 512, arithmetic) { FewestShared = 0 };
        float[] input = new float[tokens * 512], output = new float[tokens * 64];
        // Which thread takes a panel is chance: each has to have had one.
        for (int i = 0; i < 20; i++) product.Multiply(sample.Matrix, input, output);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++) product.Multiply(sample.Matrix, input, output);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static double Dot(double[] row, ReadOnlySpan<float> input)
    {
        double sum = 0;
        for (int i = 0; i < row.Length; i++) sum += row[i] * input[i];
        return sum;
    }

    private static double Largest(ReadOnlySpan<float> numbers)
    {
        double largest = 0;
        foreach (float number in numbers) largest = Math.Max(largest, Math.Abs(number));
        return largest;
    }

    // Numbers that call somebody whenever they are looked at, so in the middle of a product.
    private sealed class MemoryWithHook(float[] numbers, Action hook) : MemoryManager<float>
    {
        public override Span<float> GetSpan()
        {
            hook();
            return numbers;
        }

        public override MemoryHandle Pin(int elementIndex = 0) => throw new NotSupportedException();

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }

    private sealed class Sample : IDisposable
    {
        private readonly TemporaryFolder _folder = new();
        private readonly GgufFile _file;
        private readonly double[] _weights;

        public Sample(TensorFormat format, int rows, int columns, Action<byte[]>? change = null)
        {
            byte[] blocks = RandomBlocks.Create(format, rows * columns, seed: rows);
            change?.Invoke(blocks);
            GgufWriter writer = new();
            writer.AddTensor("w", format, blocks, columns, rows);
            writer.Save(_folder.File("matrix"));
            _file = GgufFile.Open(_folder.File("matrix"));
            Matrix = new WeightMatrix(_file, _file.Tensor("w"));
            _weights = ReferenceFormats.Dequantize(format.Name, blocks, rows * columns);
        }

        public WeightMatrix Matrix { get; }

        public double[] Row(int row) => _weights[(row * Matrix.Columns)..((row + 1) * Matrix.Columns)];

        // Runs of different sizes, so that a scale of one run does not fit another.
        public float[] Inputs(int tokens)
        {
            Random random = new(tokens);
            return [.. Enumerable.Range(0, tokens * Matrix.Columns).Select(i => (random.NextSingle() - 0.5f) * (1 + (i / 32 % 5)))];
        }

        public Bundle? Bundle(SimdWidth width)
        {
            using WorkerTeam team = new(2);
            return Matrix.Format.Bundle(Matrix, team, width);
        }

        public float[] Multiply(float[] inputs, int threads, Arithmetic arithmetic, SimdWidth width, bool bundled = false)
        {
            float[] outputs = new float[inputs.Length / Matrix.Columns * Matrix.Rows];
            using WorkerTeam team = new(threads);
            WeightMatrix matrix = new(_file, _file.Tensor("w"));
            if (bundled) matrix.MakeBundle(team, width);
            new MatrixProduct(team, Matrix.Columns, arithmetic, width) { FewestShared = 0 }.Multiply(matrix, inputs, outputs);
            return outputs;
        }

        public void Check(int tokens, int threads, Arithmetic arithmetic, SimdWidth width, bool bundled)
        {
            float[] inputs = Inputs(tokens), outputs = Multiply(inputs, threads, arithmetic, width, bundled);
            for (int i = 0; i < outputs.Length; i++)
            {
                double[] row = Row(i % Matrix.Rows);
                ReadOnlySpan<float> input = inputs.AsSpan(i / Matrix.Rows * Matrix.Columns, Matrix.Columns);
                double wanted = Dot(row, input), scale = Math.Sqrt(row.Sum(a => a * a));
                scale *= Math.Sqrt(Dot([.. input.ToArray().Select(x => (double)x)], input));
                Assert.True(scale > 0.01 && Math.Abs(wanted) > scale * 1e-6);
                Assert.Equal(wanted, outputs[i], scale * Tolerances.Product);
            }
        }

        public void Dispose()
        {
            _file.Dispose();
            _folder.Dispose();
        }
    }
}
