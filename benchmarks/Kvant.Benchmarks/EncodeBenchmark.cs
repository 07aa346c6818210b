using BenchmarkDotNet.Attributes;
using Kvant.Codecs;
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
        _rows = EncodeComparison.SampleRows(Rows);
        _copy = new float[_rows.Length];
        _codec = CodecSpec.Parse(Spec).CreateCodec(128);
        _blocks = new byte[Rows * _codec.BytesPerBlock];
        _rotation = RotationCatalog.Create("hadamard", 128, seed: 0);
        EncodeComparison.Check(_codec, _rows, _blocks);
    }

    [Benchmark(Baseline = true)]
    public void Copy() => _rows.CopyTo(_copy, 0);

    [Benchmark]
    public void Rotate() => EncodeComparison.Rotate(_rotation, _rows, _copy);

    [Benchmark]
    public void Encode() => _codec.Encode(_rows, _blocks);

    [Benchmark]
    public void Decode() => _codec.Decode(_blocks, _copy);
}
