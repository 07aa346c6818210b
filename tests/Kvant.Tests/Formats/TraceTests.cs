using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;

namespace Kvant.Tests.Formats;

public sealed class TraceTests : IDisposable
{
    // Windowed layers too: the query of a trace attends to all tokens before it.
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void RecordingsOfLayersThatDifferAreRefused(int kind)
    {
        CacheGeometry mixed = TraceSamples.Geometry(2, 2, 8, 8).WithLayers((layer, shape) => layer == 0 ? shape : kind == 0 ? shape with { SlidingWindow = 100 } : shape with { KvHeads = 1 });
        string path = Path.Combine(Path.GetTempPath(), $"kvant-trace-{Guid.NewGuid():N}"), cachePath = path + ".cache";
        Assert.Contains("layers differ", Assert.Throws<ArgumentException>(() => TraceWriter.Create(path, mixed, tokens: 3)).Message, StringComparison.Ordinal);
        using KvCache cache = Caching.CacheSamples.Cache(Attention.AttentionCases.Options(mixed, "q8"), tokens: 50);
        cache.Save(cachePath);
        using (CacheFile file = CacheFile.Open(cachePath))
            Assert.Contains("layers differ", Assert.Throws<InvalidDataException>(() => file.Decompress(path)).Message, StringComparison.Ordinal);
        Assert.False(File.Exists(path));
        File.Delete(cachePath);
    }

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void TheTraceThatShipsIsRead()
    {
        using Trace trace = Trace.Open(TraceSamples.Mini);
        Assert.Equal((4, 2, 4, 512, 64, 64), (trace.Layers, trace.KvHeads, trace.QueryHeads, trace.Tokens, trace.KeyDimension, trace.ValueDimension));
        Assert.True(trace.HasQueries && trace.IsHalfPrecision);
        Assert.Equal(0.125f, trace.SoftmaxScale);
        Assert.Equal("kvant-mini", trace.Metadata["model"]);
        float[] rows = new float[512 * 64];
        double energy = 0;
        for (int layer = 0; layer < 4; layer++)
        {
            trace.ReadKeys(layer, 1, rows);
            trace.ReadValues(layer, 1, rows);
            trace.ReadQueries(layer, 3, rows);
            energy += rows.Sum(x => (double)x * x);
        }
        Assert.True(energy > 1);
    }

    [Fact]
    public void HowPositionsTurnedKeysIsKept()
    {
        RotaryEmbedding rotary = new() { Base = 500_000.5, Pairs = RotaryPairs.Neighbors, Dimension = 6, Divisor = 4, Factors = [1, 2.5f, 1e-3f] };
        string path = TraceSamples.Write(_folder.File("t"), TraceSamples.Geometry() with { Rotary = rotary }, 5);
        using (Trace trace = Trace.Open(path, new() { Base = 3 }))
        {
            Assert.Equal(rotary, trace.Rotary);
            Assert.Equal(rotary, trace.Geometry.Rotary);
        }

        using Trace silent = Trace.Open(TraceSamples.Write(_folder.File("s"), TraceSamples.Geometry(), 5), new() { Base = 3 });
        Assert.Equal(3, silent.Rotary!.Base);
        foreach ((string key, string value) in ((string, string)[])
        [
            ("base", "-1"), ("base", "x"), ("base", "1e999"), ("pairs", "thirds"), ("dimension", "3"), ("dimension", "10"), ("dimension", "-2"), ("divisor", "0"), ("factors", "1 2"), ("factors", "1 2 3 0"), ("factors", ""),
        ])
        {
            Dictionary<string, string> metadata = new() { ["rotary.base"] = "10000", ["rotary.pairs"] = "halves" };
            metadata["rotary." + key] = value;
            Assert.Throws<InvalidDataException>(() => Trace.Open(TraceSamples.Write(_folder.File("bad"), TraceSamples.Geometry(), 5, metadata: metadata)));
        }
    }

    [Theory]
    [InlineData(ElementType.F16, 4)]
    [InlineData(ElementType.F32, 2)]
    [InlineData(ElementType.F16, 0)]
    public void WrittenTraceIsReadBackBitForBit(ElementType type, int queryHeads)
    {
        CacheGeometry geometry = TraceSamples.Geometry();
        using Trace trace = Trace.Open(TraceSamples.Write(_folder.File("t"), geometry, 5, queryHeads, type, new() { ["model"] = "x", ["kvant.trace"] = "9" }));
        Assert.Equal(geometry, trace.Geometry);
        Assert.Equal((5, queryHeads, queryHeads > 0, type == ElementType.F16), (trace.Tokens, trace.QueryHeads, trace.HasQueries, trace.IsHalfPrecision));
        Assert.Equal(1 / MathF.Sqrt(8), trace.SoftmaxScale);
        Assert.Equal("x", trace.Metadata["model"]);
        for (int layer = 0; layer < 2; layer++)
        {
            float[] keys = new float[40], values = new float[20], queries = new float[40];
            for (int head = 0; head < 2; head++)
            {
                trace.ReadKeys(layer, head, keys);
                trace.ReadValues(layer, head, values);
                Assert.Equal(TraceSamples.Rows(layer, HeadKind.Key, head, 5, 8), keys);
                Assert.Equal(TraceSamples.Rows(layer, HeadKind.Value, head, 5, 4), values);
            }
            for (int head = 0; head < queryHeads; head++)
            {
                trace.ReadQueries(layer, head, queries);
                Assert.Equal(TraceSamples.Rows(layer, HeadKind.Query, head, 5, 8), queries);
            }
        }
        if (queryHeads == 0) Assert.Throws<InvalidOperationException>(() => trace.ReadQueries(0, 0, new float[40]));
    }

    [Theory]
    [InlineData("0.25", 0.25f)]
    [InlineData("1e-2", 0.01f)]
    public void SoftmaxScaleComesFromTheMetadata(string text, float scale)
    {
        using Trace trace = Trace.Open(TraceSamples.Write(_folder.File("t"), TraceSamples.Geometry(), 1, metadata: new() { ["softmax_scale"] = text }));
        Assert.Equal(scale, trace.SoftmaxScale);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("NaN")]
    [InlineData("1e99")]
    [InlineData("")]
    [InlineData("half")]
    public void BadSoftmaxScaleIsRefused(string text)
    {
        string path = TraceSamples.Write(_folder.File("t"), TraceSamples.Geometry(), 1, metadata: new() { ["softmax_scale"] = text });
        Assert.Contains("softmax_scale", Assert.Throws<InvalidDataException>(() => Trace.Open(path)).Message);
    }

    [Fact]
    public void OtherTensorsAreAllowed()
    {
        string path = Tensors(("layers.0.key", [1, 2, 3]), ("layers.0.value", [1, 2, 3]), ("tokens", [2]), ("layers.0.extra", [1]), ("layers.x.key", [1]));
        using Trace trace = Trace.Open(path);
        Assert.Equal(1, trace.Layers);
    }

    [Fact]
    public void TraceWithoutItsMetadataIsRefused()
    {
        Assert.Contains("'kvant.trace' is missing", RefusedWith([], ("layers.0.key", [1, 1, 1]), ("layers.0.value", [1, 1, 1])));
        Assert.Contains("trace version 2 found, 1 wanted", RefusedWith(new() { ["kvant.trace"] = "2" }, ("layers.0.key", [1, 1, 1]), ("layers.0.value", [1, 1, 1])));
    }

    [Fact]
    public void LayersThatDoNotAgreeAreRefused()
    {
        Assert.Contains("'layers.0.key' is missing", Refused(("tokens", [1])));
        Assert.Contains("'layers.0.value' is missing", Refused(("layers.0.key", [1, 1, 1])));
        Assert.Contains("layer 2 found, but 'layers.1.key' is missing", Refused(("layers.0.key", [1, 1, 1]), ("layers.0.value", [1, 1, 1]), ("layers.2.key", [1, 1, 1])));
        Assert.Contains("heads, tokens and dimension", Refused(("layers.0.key", [1, 1]), ("layers.0.value", [1, 1, 1])));
        Assert.Contains("heads, tokens and dimension", Refused(("layers.0.key", [1, 0, 1]), ("layers.0.value", [1, 0, 1])));
        Assert.Contains("does not agree with the keys' [1, 2, 1]", Refused(("layers.0.key", [1, 2, 1]), ("layers.0.value", [1, 1, 1])));
        Assert.Contains("does not agree with the keys' [2, 1, 1]", Refused(("layers.0.key", [2, 1, 1]), ("layers.0.value", [2, 1, 1]), ("layers.0.query", [3, 1, 1])));
        Assert.Contains("does not agree with the keys' [2, 1, 1]", Refused(("layers.0.key", [2, 1, 1]), ("layers.0.value", [2, 1, 1]), ("layers.0.query", [2, 1, 2])));
        Assert.Contains("does not agree with 'layers.0.key'", Refused(("layers.0.key", [1, 1, 1]), ("layers.0.value", [1, 1, 1]), ("layers.1.key", [1, 1, 2]), ("layers.1.value", [1, 1, 1])));
        Assert.Contains("some have none", Refused(("layers.0.key", [1, 1, 1]), ("layers.0.value", [1, 1, 1]), ("layers.0.query", [1, 1, 1]), ("layers.1.key", [1, 1, 1]), ("layers.1.value", [1, 1, 1])));
    }

    [Fact]
    public void IntegerKeysAreRefused()
    {
        string path = _folder.File("t");
        using (SafetensorsWriter writer = SafetensorsWriter.Create(path, [new("layers.0.key", ElementType.U8, 1, 1, 1), new("layers.0.value", ElementType.F16, 1, 1, 1)], new Dictionary<string, string> { ["kvant.trace"] = "1" }))
        {
            writer.Write([1]);
            writer.Write([0, 0]);
            writer.Commit();
        }
        Assert.Contains("element type is U8", Assert.Throws<InvalidDataException>(() => Trace.Open(path)).Message);
    }

    [Theory]
    [InlineData(0x7e00, "NaN")]
    [InlineData(0x7c00, "∞")]
    [InlineData(0xfc00, "-∞")]
    public void NumberThatIsNotFiniteIsRefusedWithItsPlace(int pattern, string shown)
    {
        string path = TraceSamples.Write(_folder.File("t"), TraceSamples.Geometry(), 5);
        byte[] bytes = File.ReadAllBytes(path);
        long offset;
        using (SafetensorsFile file = SafetensorsFile.Open(path)) offset = file.Tensor("layers.1.value").Offset + (2 * ((((1 * 5) + 3) * 4) + 2));
        bytes[offset] = (byte)pattern;
        bytes[offset + 1] = (byte)(pattern >> 8);
        using Trace trace = Trace.Open(_folder.Write("bad", bytes));
        trace.ReadValues(1, 0, new float[20]);
        string message = Assert.Throws<InvalidDataException>(() => trace.ReadValues(1, 1, new float[20])).Message;
        Assert.Contains($"layer 1, head 1, token 3, channel 2 is {float.Parse(shown.Replace("∞", "Infinity"))}", message);
    }

    [Fact]
    public void IndexesAndLengthsAreChecked()
    {
        Trace trace = Trace.Open(TraceSamples.Write(_folder.File("t"), TraceSamples.Geometry(), 5));
        Assert.Throws<ArgumentOutOfRangeException>(() => trace.ReadKeys(2, 0, new float[40]));
        Assert.Throws<ArgumentOutOfRangeException>(() => trace.ReadKeys(-1, 0, new float[40]));
        Assert.Throws<ArgumentOutOfRangeException>(() => trace.ReadKeys(0, 2, new float[40]));
        Assert.Throws<ArgumentOutOfRangeException>(() => trace.ReadKeys(0, -1, new float[40]));
        Assert.Contains("41 numbers found, 5 x 8 = 40 wanted", Assert.Throws<ArgumentException>(() => trace.ReadKeys(0, 0, new float[41])).Message);
        trace.Dispose();
        trace.Dispose();
        Assert.Throws<ObjectDisposedException>(() => trace.ReadKeys(0, 0, new float[40]));
    }

    [Fact]
    public void WriterRefusesWrongOrderLengthAndNumbers()
    {
        using (TraceWriter writer = TraceWriter.Create(_folder.File("t"), TraceSamples.Geometry(1, 1, 2, 2), 1))
        {
            Assert.Contains("the Key of layer 0, head 0 wanted next", Assert.Throws<InvalidOperationException>(() => writer.WriteValues(0, 0, [1, 2])).Message);
            Assert.Throws<ArgumentException>(() => writer.WriteKeys(0, 0, [1]));
            Assert.Contains("channel 1 is NaN", Assert.Throws<ArgumentException>(() => writer.WriteKeys(0, 0, [1, float.NaN])).Message);
            Assert.Contains("channel 0 is 70000", Assert.Throws<ArgumentException>(() => writer.WriteKeys(0, 0, [70000, 1])).Message);
            writer.WriteKeys(0, 0, [1, 2]);
            writer.WriteValues(0, 0, [1, 2]);
            Assert.Throws<InvalidOperationException>(() => writer.WriteQueries(0, 0, [1, 2]));
            Assert.Throws<InvalidOperationException>(() => writer.WriteKeys(1, 0, [1, 2]));
        }
        using (TraceWriter writer = TraceWriter.Create(_folder.File("t"), TraceSamples.Geometry(), 1)) Assert.Throws<InvalidOperationException>(writer.Commit);
        Assert.ThrowsAny<ArgumentException>(() => TraceWriter.Create(_folder.File("t"), TraceSamples.Geometry(), 0));
        Assert.ThrowsAny<ArgumentException>(() => TraceWriter.Create(_folder.File("t"), TraceSamples.Geometry(), 1, queryHeads: 3));
        Assert.ThrowsAny<ArgumentException>(() => TraceWriter.Create(_folder.File("t"), TraceSamples.Geometry(), 1, 0, ElementType.BF16));
        Assert.ThrowsAny<ArgumentException>(() => TraceWriter.Create(_folder.File("t"), TraceSamples.Geometry(layers: 0), 1));
        Assert.Empty(_folder.Files);
    }

    [Fact]
    public void DamagedTracesAreSurvived()
    {
        string path = TraceSamples.Write(_folder.File("t"), TraceSamples.Geometry(1, 1, 2, 1), 2, 1, metadata: new() { ["softmax_scale"] = "0.5" });
        byte[] valid = File.ReadAllBytes(path);
        HostileBytes hostile = new(static path =>
        {
            using Trace trace = Trace.Open(path);
            trace.ReadKeys(trace.Layers - 1, trace.KvHeads - 1, new float[trace.Tokens * trace.KeyDimension]);
            trace.ReadValues(trace.Layers - 1, trace.KvHeads - 1, new float[trace.Tokens * trace.ValueDimension]);
        });
        hostile.FlipEveryByte(valid);
        Assert.Equal(0, hostile.TruncateToEveryLength(valid));
        hostile.Mutate(valid, seed: 20260103, count: 3000);
    }

    private string Refused(params (string Name, long[] Shape)[] tensors) => RefusedWith(new() { ["kvant.trace"] = "1" }, tensors);

    private string RefusedWith(Dictionary<string, string> metadata, params (string Name, long[] Shape)[] tensors) =>
        Assert.Throws<InvalidDataException>(() => Trace.Open(TensorsWith(metadata, tensors))).Message;

    private string Tensors(params (string Name, long[] Shape)[] tensors) => TensorsWith(new() { ["kvant.trace"] = "1" }, tensors);

    private string TensorsWith(Dictionary<string, string> metadata, (string Name, long[] Shape)[] tensors)
    {
        string path = _folder.File("t");
        using SafetensorsWriter writer = SafetensorsWriter.Create(path, [.. tensors.Select(t => new TensorDeclaration(t.Name, ElementType.F16, t.Shape))], metadata);
        foreach ((_, long[] shape) in tensors) writer.Write(new byte[2 * shape.Aggregate(1L, (a, b) => a * b)]);
        writer.Commit();
        return path;
    }
}
