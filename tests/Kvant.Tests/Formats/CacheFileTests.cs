using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;

namespace Kvant.Tests.Formats;

public sealed class CacheFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> EveryMethod => CodecCases.Methods;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(EveryMethod))]
    public void CompressedTraceDecodesToWhatTheCodecsDecode(string method)
    {
        const int Dimension = 64;
        LayerPolicy policy = LayerPolicy.Uniform(1, CodecSpec.Parse(method), CodecSpec.Parse(method));
        foreach (int tokens in (int[])[1, 31, 32, 129, 600])
        {
            Compress(TraceSamples.Geometry(1, 2, Dimension, Dimension), tokens, policy);
            using (CacheFile file = CacheFile.Open(_folder.File("cache")))
            {
                Assert.Equal((tokens, 0), (file.Tokens, file.QueryHeads));
                file.Decompress(_folder.File("back"), ElementType.F32);
            }

            using Trace back = Trace.Open(_folder.File("back"));
            float[] read = new float[tokens * Dimension];
            for (int head = 0; head < 2; head++)
            {
                back.ReadKeys(0, head, read);
                Assert.Equal(Expected(HeadKind.Key, CodecRole.KeyTiles, head, tokens), read);
                back.ReadValues(0, head, read);
                Assert.Equal(Expected(HeadKind.Value, CodecRole.ValueTiles, head, tokens), read);
            }
        }

        // Rows that do not fill a block, of keys or of values, stay: half precision holds these exactly.
        float[] Expected(HeadKind kind, CodecRole role, int head, int tokens)
        {
            float[] rows = TraceSamples.Rows(0, kind, head, tokens, Dimension);
            Codec codec = CodecSpec.Parse(method).CreateCodec(Dimension, role);
            int unit = Math.Max(codec.RowsPerBlock, CodecSpec.Parse(method).CreateCodec(Dimension, CodecRole.KeyTiles).RowsPerBlock);
            int body = tokens < codec.CalibrationRows ? 0 : tokens - (tokens % unit);
            if (body == 0)
                return rows;
            codec = codec.Calibrate(rows);
            byte[] blocks = new byte[body / codec.RowsPerBlock * codec.BytesPerBlock];
            codec.Encode(rows.AsSpan(0, body * Dimension), blocks);
            codec.Decode(blocks, rows.AsSpan(0, body * Dimension));
            return rows;
        }
    }

    [Fact]
    public void TraceSurvivesLosslessCompressionWholly()
    {
        using Trace source = Trace.Open(TraceSamples.Mini);
        Progress done = new();
        CacheFile.Compress(source, _folder.File("cache"), Half(4), done);
        Assert.Equal(4, done.Last);
        using (CacheFile file = CacheFile.Open(_folder.File("cache")))
        {
            Assert.Equal(source.QueryHeads, file.QueryHeads);
            file.Decompress(_folder.File("back"), layersDone: done);
        }

        using Trace back = Trace.Open(_folder.File("back"));
        Assert.Equal(source.Metadata.OrderBy(p => p.Key), back.Metadata.OrderBy(p => p.Key));
        Assert.Equal((source.Geometry, source.Tokens, source.QueryHeads, source.SoftmaxScale), (back.Geometry, back.Tokens, back.QueryHeads, back.SoftmaxScale));
        float[] wanted = new float[512 * 64], found = new float[512 * 64];
        for (int layer = 0; layer < 4; layer++)
        {
            foreach (HeadKind kind in Enum.GetValues<HeadKind>())
            {
                for (int head = 0; head < (kind == HeadKind.Query ? 4 : 2); head++)
                {
                    source.Read(layer, kind, head, wanted);
                    back.Read(layer, kind, head, found);
                    Assert.Equal(wanted, found);
                }
            }
        }
    }

    [Fact]
    public void CompressedTraceIsTheCacheThatAProgramFreezes()
    {
        LayerPolicy policy = new([new(CodecSpec.Parse("turboquant:bits=3"), CodecSpec.Parse("kivi")), new(CodecSpec.Parse("outlier"), CodecSpec.Parse("q8"))]);
        CacheGeometry geometry = TraceSamples.Geometry(keyDimension: 64, valueDimension: 32);
        Compress(geometry, 150, policy);
        using var cache = new KvCache(new() { Geometry = geometry, Policy = policy, Sinks = 0, Window = 0 });
        for (int layer = 0; layer < 2; layer++)
            cache.Append(layer, Tokens(layer, HeadKind.Key, 64), Tokens(layer, HeadKind.Value, 32));
        using KvCache thawed = KvCache.Load(_folder.File("cache"));
        Assert.Equal(cache.Freeze(), thawed.Freeze()); // but for what the trace said of itself

        float[] Tokens(int layer, HeadKind kind, int dimension)
        {
            float[] tokens = new float[150 * 2 * dimension];
            for (int head = 0; head < 2; head++)
            {
                float[] rows = TraceSamples.Rows(layer, kind, head, 150, dimension);
                for (int t = 0; t < 150; t++)
                    rows.AsSpan(t * dimension, dimension).CopyTo(tokens.AsSpan(((2 * t) + head) * dimension));
            }

            return tokens;
        }
    }

    [Fact]
    public void NumbersThatHalfPrecisionDoesNotHoldStayAsTheyAre()
    {
        CacheGeometry geometry = TraceSamples.Geometry(1, 1, 2, 2);
        using (TraceWriter writer = TraceWriter.Create(_folder.File("trace"), geometry, 1, elementType: ElementType.F32))
        {
            writer.WriteKeys(0, 0, [1, 2]);
            writer.WriteValues(0, 0, [1e6f, 1 / 3f]);
            writer.Commit();
        }

        // A value waits here for 31 more keys.
        using Trace trace = Trace.Open(_folder.File("trace"));
        CacheFile.Compress(trace, _folder.File("cache"), LayerPolicy.Uniform(1, CodecSpec.Parse("kivi"), CodecSpec.Parse("bf16")));
        using CacheFile file = CacheFile.Open(_folder.File("cache"));
        file.Decompress(_folder.File("back"), ElementType.F32);
        using Trace back = Trace.Open(_folder.File("back"));
        float[] rows = new float[2];
        back.ReadValues(0, 0, rows);
        Assert.Equal([1e6f, 1 / 3f], rows);
        Assert.Throws<ArgumentException>(() => file.Decompress(_folder.File("half")));
    }

    [Fact]
    public void LivingTokensOfAFrozenCacheBecomeATrace()
    {
        using KvCache cache = Caching.CacheSamples.Cache(Caching.CacheSamples.Options("q8", sinks: 2, window: 7, layers: 2, eviction: new Eviction.Newest(40)), tokens: 100);
        cache.Save(_folder.File("cache"));
        using CacheFile file = CacheFile.Open(_folder.File("cache"));
        Assert.Equal(cache.Statistics, file.Statistics);
        file.Decompress(_folder.File("back"), ElementType.F32);
        using Trace back = Trace.Open(_folder.File("back"));
        Assert.Equal(42, back.Tokens);
        float[] found = new float[42 * 64], wanted = new float[42 * 64], values = new float[40 * 96];
        back.ReadKeys(1, 1, found);
        cache.Decode(1, 1, 0, 2, wanted.AsSpan(0, 2 * 64), values.AsSpan(0, 2 * 96));
        cache.Decode(1, 1, 60, 40, wanted.AsSpan(2 * 64), values);
        Assert.Equal(wanted, found);
    }

    [Fact]
    public void LayersOfOtherLengthsAreNoTrace()
    {
        using KvCache cache = Caching.CacheSamples.Cache(Caching.CacheSamples.Options("q8", layers: 2), tokens: 10);
        Caching.CacheSamples.Append(cache, 1, seed: 3);
        cache.Save(_folder.File("cache"));
        using CacheFile file = CacheFile.Open(_folder.File("cache"));
        file.Verify();
        Assert.Contains("11 and 10 tokens", Assert.Throws<InvalidDataException>(() => file.Decompress(_folder.File("back"))).Message, StringComparison.Ordinal);
        Assert.Equal(["cache"], _folder.Files);
    }

    [Fact]
    public void CancellationLeavesNoFile()
    {
        using Trace source = Trace.Open(TraceSamples.Mini);
        using CancellationTokenSource stop = new();
        Progress stopAfterTwo = new(layer =>
        {
            if (layer == 2) stop.Cancel();
        });
        Assert.Throws<OperationCanceledException>(() => CacheFile.Compress(source, _folder.File("cache"), Half(4), stopAfterTwo, stop.Token));
        Assert.Equal(2, stopAfterTwo.Last);
        Assert.Empty(_folder.Files);
    }

    [Fact]
    public void RowOrPolicyThatIsRefusedLeavesNoFile()
    {
        using (TraceWriter writer = TraceWriter.Create(_folder.File("trace"), TraceSamples.Geometry(1, 1, 2, 2), 1, elementType: ElementType.F32))
        {
            writer.WriteKeys(0, 0, [1, 1e6f]);
            writer.WriteValues(0, 0, [1, 2]);
            writer.Commit();
        }

        using Trace trace = Trace.Open(_folder.File("trace"));
        Assert.Contains("layer 0, tokens from 0 on", Assert.Throws<ArgumentException>(() => CacheFile.Compress(trace, _folder.File("cache"), Half(1))).Message, StringComparison.Ordinal);
        Assert.Contains("The policy has 2 layers", Assert.Throws<ArgumentException>(() => CacheFile.Compress(trace, _folder.File("cache"), Half(2))).Message, StringComparison.Ordinal);
        Assert.Equal(["trace"], _folder.Files);
    }

    /// <summary>Offsets are 64-bit numbers: the layer behind a hole of three billion bytes is found. The hole takes no disk.</summary>
    [Fact]
    public void LayerBehindTwoGibibytesIsRead()
    {
        CacheGeometry geometry = new() { Layers = 2, KvHeads = 1, KeyDimension = 4096, ValueDimension = 4096 };
        KvCacheOptions options = new() { Geometry = geometry, Policy = Half(2), Sinks = 0, Window = 0 };
        LayerLayout[] layouts = LayerLayouts.Create(options);
        var header = new CacheHeader(options, layouts, [new(200_000, 200_000, 0, 0), new(2, 2, 0, 0)]);
        using (FileStream stream = File.Create(_folder.File("cache")))
        {
            header.Write(new ChecksummedWriter(stream));
            stream.Position = header.LayerOffset(1);
            Assert.InRange(stream.Position, 3_000_000_000, 4_000_000_000);
            using var pool = new PagePool();
            using KvCache layer = header.CreateLayer(1, pool);
            layer.Append(0, (float[])[.. Enumerable.Range(0, 2 * 4096).Select(i => i % 7f)], new float[2 * 4096]);
            LayerFormat.Write(header, 1, layer.Layers[0], layer.Layers[0].Queries, new ChecksummedWriter(stream));
        }

        using CacheFile file = CacheFile.Open(_folder.File("cache"));
        Assert.Equal(header.FileBytes, file.Length);
        using var own = new PagePool();
        using KvCache read = file.ReadLayer(1, own);
        float[] keys = new float[4096], values = new float[4096];
        read.Decode(0, 0, 1, 1, keys, values);
        Assert.Equal(4096 % 7, keys[0]);
    }

    private static LayerPolicy Half(int layers) => LayerPolicy.Uniform(layers, CodecSpec.Parse("fp16"), CodecSpec.Parse("fp16"));

    private void Compress(CacheGeometry geometry, int tokens, LayerPolicy policy)
    {
        using Trace trace = Trace.Open(TraceSamples.Write(_folder.File("trace"), geometry, tokens));
        CacheFile.Compress(trace, _folder.File("cache"), policy);
    }

    // Progress<T> of the library reports on other threads, too late for a test.
    private sealed class Progress(Action<int>? also = null) : IProgress<int>
    {
        internal int Last { get; private set; }

        public void Report(int value)
        {
            Last = value;
            also?.Invoke(value);
        }
    }
}
