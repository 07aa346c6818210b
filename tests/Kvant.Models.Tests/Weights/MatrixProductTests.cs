using Kvant.Attention;
using Kvant.Models.Formats;
using Kvant.Models.Gguf;
using Kvant.Models.Tests.Reference;
using Kvant.Models.Weights;
using Kvant.Tests.Formats;

namespace Kvant.Models.Tests.Weights;

public sealed class MatrixProductTests
{
    public static TheoryData<string> Names => [.. TensorFormat.All.Select(f => f.Name)];

    // Rows that do not fill a group of four, tokens that do not fill a pair, one thread and more.
    [Theory, MemberData(nameof(Names))]
    public void ProductsAreThoseOfDoublePrecision(string name)
    {
        foreach ((int rows, int columns) in (ReadOnlySpan<(int, int)>)[(1, 256), (7, 512), (12, 768)])
        {
            using Sample sample = new(TensorFormat.Parse(name), rows, columns);
            foreach (int tokens in (ReadOnlySpan<int>)[1, 2, 5])
            {
                foreach (int threads in (ReadOnlySpan<int>)[1, 3]) sample.Check(tokens, threads);
            }
        }
    }

    [Theory, InlineData("F32"), InlineData("F16"), InlineData("BF16")]
    public void RowsThatDoNotFillARegisterAreMultipliedToo(string name)
    {
        using Sample sample = new(TensorFormat.Parse(name), 9, 37);
        foreach (int tokens in (ReadOnlySpan<int>)[1, 3]) sample.Check(tokens, threads: 2);
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

    [Fact]
    public void ProductsAllocateNothing()
    {
        using Sample sample = new(TensorFormat.Parse("Q4_K"), 64, 512);
        using WorkerTeam team = new(2);
        MatrixProduct product = new(team, 512) { FewestShared = 0 };
        float[] input = new float[512], output = new float[64];
        product.Multiply(sample.Matrix, input, output);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++) product.Multiply(sample.Matrix, input, output);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private sealed class Sample : IDisposable
    {
        private readonly TemporaryFolder _folder = new();
        private readonly GgufFile _file;
        private readonly double[] _weights;

        public Sample(TensorFormat format, int rows, int columns)
        {
            byte[] blocks = RandomBlocks.Create(format, rows * columns, seed: rows);
            GgufWriter writer = new();
            writer.AddTensor("w", format, blocks, columns, rows);
            writer.Save(_folder.File("matrix"));
            _file = GgufFile.Open(_folder.File("matrix"));
            Matrix = new WeightMatrix(_file, _file.Tensor("w"));
            _weights = ReferenceFormats.Dequantize(format.Name, blocks, rows * columns);
        }

        public WeightMatrix Matrix { get; }

        public void Check(int tokens, int threads)
        {
            Random random = new(tokens);
            float[] inputs = [.. Enumerable.Range(0, tokens * Matrix.Columns).Select(_ => random.NextSingle() - 0.5f)];
            float[] outputs = new float[tokens * Matrix.Rows];
            using WorkerTeam team = new(threads);
            new MatrixProduct(team, Matrix.Columns) { FewestShared = 0 }.Multiply(Matrix, inputs, outputs);
            for (int i = 0; i < outputs.Length; i++)
            {
                double[] row = _weights[(i % Matrix.Rows * Matrix.Columns)..((i % Matrix.Rows * Matrix.Columns) + Matrix.Columns)];
                double[] input = [.. inputs.Skip(i / Matrix.Rows * Matrix.Columns).Take(Matrix.Columns).Select(x => (double)x)];
                double wanted = row.Zip(input, (a, b) => a * b).Sum(), scale = Math.Sqrt(row.Sum(a => a * a) * input.Sum(b => b * b));
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
