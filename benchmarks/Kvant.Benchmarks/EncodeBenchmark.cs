using BenchmarkDotNet.Attributes;
using Kvant.Codecs;
using Kvant.Kernels;
using Kvant.Rotations;

namespace Kvant.Benchmarks;

/// <summary>Encoding 512 rows of 128 numbers, against a plain copy of them.</summary>
[MemoryDiagnoser]
public class EncodeBenchmark
{
    private const int Rows = 512;

    private float[] _rows = [];
    private float[] _copy = [];
    private byte[] _blocks = [];
    private Codec _codec = null!;
    private Rotation _rotation = null!;

    [Params("turboquant:bits=2", "turboquant:bits=3", "turboquant:bits=4", "q8_0", "kivi:bits=2", "fp16")]
    public string Spec { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        _rows = SampleRows.Create(Rows);
        _copy = new float[_rows.Length];
        _codec = CodecSpec.Parse(Spec).CreateCodec(SampleRows.Dimension);
        _blocks = new byte[Rows / _codec.RowsPerBlock * _codec.BytesPerBlock];
        _rotation = Rotation.Create("hadamard", SampleRows.Dimension, seed: 0);
        Check();
    }

    [Benchmark(Baseline = true)]
    public void Copy() => _rows.CopyTo(_copy, 0);

    [Benchmark]
    public void Rotate()
    {
        for (int i = 0; i < _rows.Length; i += SampleRows.Dimension)
            _rotation.Forward(_rows.AsSpan(i, SampleRows.Dimension), _copy.AsSpan(i, SampleRows.Dimension));
    }

    [Benchmark]
    public void Encode() => _codec.Encode(_rows, _blocks);

    [Benchmark]
    public void Decode() => _codec.Decode(_blocks, _copy);

    // A fast answer that is wrong is no answer: the bytes must be those of the scalar loops.
    private void Check()
    {
        SimdWidth width = SimdSupport.Active;
        SimdSupport.Active = SimdWidth.Scalar;
        _codec.Encode(_rows, _blocks);
        byte[] scalar = [.. _blocks];
        SimdSupport.Active = width;
        _codec.Encode(_rows, _blocks);
        if (!scalar.AsSpan().SequenceEqual(_blocks))
            throw new InvalidOperationException("The wide kernels do not write the bytes of the scalar loops.");
    }
}
