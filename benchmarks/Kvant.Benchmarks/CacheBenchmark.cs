using BenchmarkDotNet.Attributes;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Benchmarks;

/// <summary>One layer of 8 key-value heads, four query heads each, with 1,024 tokens: a decode step; and 128 appends, in which every kind of block closes.</summary>
[MemoryDiagnoser]
public sealed class CacheBenchmark : IDisposable
{
    private const int Tokens = 1024;
    private const int Appended = 128;
    private const int KvHeads = 8;
    private const int QueryHeads = 32;

    private readonly float[] _keys = SampleRows.Create(Tokens * KvHeads, seed: 1);
    private readonly float[] _values = SampleRows.Create(Tokens * KvHeads, seed: 2);
    private readonly float[] _queries = SampleRows.Create(QueryHeads, seed: 3);
    private readonly float[] _outputs = new float[QueryHeads * SampleRows.Dimension];
    private KvCache _cache = null!;
    private KvCache _growing = null!;
    private CacheAttention _attention = null!;

    [Params("fp32", "fp16", "q8_0", "kivi:bits=4", "turboquant:bits=4", "turboquant:bits=3", "turboquant:bits=2")]
    public string Spec { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        var geometry = new CacheGeometry { Layers = 1, KvHeads = KvHeads, QueryHeads = QueryHeads, KeyDimension = SampleRows.Dimension, ValueDimension = SampleRows.Dimension };
        CodecSpec spec = CodecSpec.Parse(Spec);
        var options = new KvCacheOptions { Geometry = geometry, Policy = LayerPolicy.Uniform(1, spec, spec) };
        _cache = new KvCache(options);
        _cache.Append(0, _keys, _values);
        _growing = new KvCache(options);
        _attention = new CacheAttention(geometry);
    }

    [Benchmark]
    public void DecodeStep() => _attention.Decode(_cache, 0, _queries, _outputs);

    [Benchmark(OperationsPerInvoke = Appended)]
    public void Append()
    {
        const int token = KvHeads * SampleRows.Dimension;
        if (_growing.Length == Tokens)
            _growing.Clear();
        int first = _growing.Length;
        for (int i = first; i < first + Appended; i++)
            _growing.Append(0, _keys.AsSpan(i * token, token), _values.AsSpan(i * token, token));
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _attention.Dispose();
        _cache.Dispose();
        _growing.Dispose();
    }
}
