using BenchmarkDotNet.Attributes;
using Kvant.Codecs;

namespace Kvant.Benchmarks;

/// <summary>A page of 128 tokens of one head with four query heads: scores and weighted sums apart, in the processor's cache.</summary>
[MemoryDiagnoser]
public class TileBenchmark
{
    private const int Rows = 128;
    private const int Queries = 4;

    private Codec _keyCodec = null!;
    private Codec _valueCodec = null!;
    private PreparedQueries _prepared = null!;
    private byte[] _keys = [];
    private byte[] _values = [];
    private readonly float[] _scores = new float[Queries * Rows];
    private readonly float[] _weights = new float[Queries * Rows];
    private readonly float[] _accumulators = new float[Queries * SampleRows.Dimension];

    [Params("fp32", "fp16", "q8", "q8_0", "q4_0", "kivi:bits=4", "turboquant:bits=4", "turboquant:bits=3", "turboquant:bits=2")]
    public string Spec { get; set; } = "";

    [Params(Arithmetic.Fast, Arithmetic.Exact)]
    public Arithmetic Arithmetic { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        CodecSpec spec = CodecSpec.Parse(Spec);
        _keyCodec = spec.CreateCodec(SampleRows.Dimension, CodecRole.KeyTiles);
        _valueCodec = spec.CreateCodec(SampleRows.Dimension, CodecRole.ValueTiles);
        _keys = Encode(_keyCodec, seed: 1);
        _values = Encode(_valueCodec, seed: 2);
        _prepared = _keyCodec.CreatePreparedQueries(Queries);
        _keyCodec.Prepare(SampleRows.Create(Queries, seed: 3), _prepared);
        Array.Fill(_weights, 1f / Rows);
    }

    [Benchmark]
    public void Score() => _keyCodec.Score(_prepared, _keys, _scores, Arithmetic);

    [Benchmark]
    public void Accumulate() => _valueCodec.Accumulate(_weights, _values, _accumulators, Arithmetic);

    private static byte[] Encode(Codec codec, ulong seed)
    {
        byte[] blocks = new byte[Rows / codec.RowsPerBlock * codec.BytesPerBlock];
        codec.Encode(SampleRows.Create(Rows, seed), blocks);
        return blocks;
    }
}
