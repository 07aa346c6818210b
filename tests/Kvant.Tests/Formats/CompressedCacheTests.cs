using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using static Kvant.Tests.Formats.CompressedCacheSamples;

namespace Kvant.Tests.Formats;

public sealed class CompressedCacheTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string, int> EveryMethodAtLengthsAroundItsBlocks
    {
        get
        {
            TheoryData<string, int> data = [];
            foreach (CodecMethod method in CodecCatalog.Methods)
            {
                foreach (int tokens in (int[])[1, 31, 32, 70, 128, 129, 150]) data.Add(method.Name, tokens);
            }
            return data;
        }
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(EveryMethodAtLengthsAroundItsBlocks))]
    public void FileDecodesToWhatTheCodecDecodes(string method, int tokens)
    {
        const int Dimension = 64;
        CacheGeometry geometry = TraceSamples.Geometry(layers: 1, kvHeads: 2, Dimension, Dimension);
        CompressedCacheLayout layout = Layout(geometry, tokens, new LayerPolicy([Specs(method, method)]));
        using CompressedCacheFile file = CompressedCacheFile.Open(Write(_folder.File("cache"), layout));
        file.VerifyChecksums();
        float[] read = new float[tokens * Dimension];
        long stored = 0;
        for (int head = 0; head < 2; head++)
        {
            file.ReadKeys(0, head, read);
            Assert.Equal(Expected(CodecRole.Keys, TraceSamples.Rows(0, HeadKind.Key, head, tokens, Dimension)), read);
            file.ReadValues(0, head, read);
            Assert.Equal(Expected(CodecRole.Values, TraceSamples.Rows(0, HeadKind.Value, head, tokens, Dimension)), read);
        }
        using (SafetensorsFile tensors = SafetensorsFile.Open(file.Path)) stored = tensors.Tensors.Sum(t => t.ByteLength);
        Assert.Equal(layout.EstimateMemory().TotalBytes, stored);

        float[] Expected(CodecRole role, float[] rows)
        {
            Codec codec = CodecSpec.Parse(method).CreateCodec(Dimension, role);
            int body = codec.RowsInBlocks(tokens) * Dimension;
            if (body == 0) return rows;
            codec = codec.Calibrate(rows.AsSpan(..body));
            byte[] blocks = new byte[body / Dimension / codec.RowsPerBlock * codec.BytesPerBlock];
            codec.Encode(rows.AsSpan(..body), blocks);
            // The tail is stored in half precision, which holds these rows exactly.
            float[] expected = [.. rows];
            codec.Decode(blocks, expected.AsSpan(..body));
            return expected;
        }
    }

    [Fact]
    public void LayersMayDiffer()
    {
        CacheGeometry geometry = TraceSamples.Geometry();
        using CompressedCacheFile file = CompressedCacheFile.Open(Write(_folder.File("cache"), Layout(geometry, 5, Mixed, queryHeads: 4)));
        Assert.Equal(["fp32", "fp16"], file.Layout.Policy.Select(s => s.Keys.FullText));
        Assert.Equal(["fp16", "fp32"], file.Layout.Policy.Select(s => s.Values.FullText));
        Assert.Equal((geometry, 5, 4, ElementType.F16), (file.Layout.Geometry, file.Layout.Tokens, file.Layout.QueryHeads, file.Layout.QueryElementType));
        Assert.Equal("noise", file.Layout.SourceMetadata["model"]);
        Assert.Equal(new FileInfo(file.Path).Length, file.Length);
        float[] rows = new float[40];
        file.ReadKeys(1, 1, rows);
        Assert.Equal(TraceSamples.Rows(1, HeadKind.Key, 1, 5, 8), rows);
        // The checksum covers all query heads of a layer; any may be read first.
        foreach (int head in (int[])[3, 0])
        {
            file.ReadQueries(1, head, rows);
            Assert.Equal(TraceSamples.Rows(1, HeadKind.Query, head, 5, 8), rows);
        }
    }

    [Fact]
    public void SameInputGivesTheSameBytes()
    {
        CompressedCacheLayout layout = Layout(TraceSamples.Geometry(), 5, Mixed, 2);
        Assert.Equal(File.ReadAllBytes(Write(_folder.File("a"), layout)), File.ReadAllBytes(Write(_folder.File("b"), layout)));
    }

    [Fact]
    public void TraceSurvivesLosslessCompressionWholly()
    {
        using Trace source = Trace.Open(TraceSamples.Mini);
        LayerPolicy policy = LayerPolicy.Uniform(4, CodecSpec.Parse("fp16"), CodecSpec.Parse("fp16"));
        Progress done = new();
        CompressedCache.Compress(source, _folder.File("cache"), policy, done);
        Assert.Equal(4, done.Last);
        using (CompressedCacheFile file = CompressedCacheFile.Open(_folder.File("cache"))) CompressedCache.Decompress(file, _folder.File("back"), layersDone: done);
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
    public void CancellationLeavesNoFile()
    {
        using Trace source = Trace.Open(TraceSamples.Mini);
        LayerPolicy policy = LayerPolicy.Uniform(4, CodecSpec.Parse("fp16"), CodecSpec.Parse("fp16"));
        using CancellationTokenSource stop = new();
        Progress stopAfterTwo = new(layer =>
        {
            if (layer == 2) stop.Cancel();
        });
        Assert.Throws<OperationCanceledException>(() => CompressedCache.Compress(source, _folder.File("cache"), policy, stopAfterTwo, stop.Token));
        Assert.Equal(2, stopAfterTwo.Last);
        Assert.Empty(_folder.Files);
    }

    [Fact]
    public void RowThatIsRefusedLeavesNoFile()
    {
        CacheGeometry geometry = TraceSamples.Geometry(1, 1, 2, 2);
        using (CompressedCacheWriter writer = CompressedCacheWriter.Create(_folder.File("cache"), Layout(geometry, 1, new LayerPolicy([Specs("fp16", "fp16")]))))
        {
            string message = Assert.Throws<ArgumentException>(() => writer.WriteKeys(0, 0, [1, 1e6f])).Message;
            Assert.Contains("layer 0, key head 0", message);
            Assert.ThrowsAny<InvalidOperationException>(writer.Commit);
        }
        using (CompressedCacheWriter writer = CompressedCacheWriter.Create(_folder.File("cache"), Layout(geometry, 1, new LayerPolicy([Specs("fp16", "fp16")]))))
        {
            Assert.Contains("channel 1 is NaN", Assert.Throws<ArgumentException>(() => writer.WriteKeys(0, 0, [1, float.NaN])).Message);
        }
        Assert.Empty(_folder.Files);
    }

    [Fact]
    public void WrongOrderAndLengthAreRefusedAndTheFileGoesOn()
    {
        string path = _folder.File("cache");
        using (CompressedCacheWriter writer = CompressedCacheWriter.Create(path, Layout(TraceSamples.Geometry(1, 1, 2, 2), 1, new LayerPolicy([Specs("fp16", "fp16")]))))
        {
            Assert.Throws<InvalidOperationException>(() => writer.WriteValues(0, 0, [1, 2]));
            Assert.Throws<ArgumentException>(() => writer.WriteKeys(0, 0, [1]));
            writer.WriteKeys(0, 0, [1, 2]);
            writer.WriteValues(0, 0, [3, 4]);
            Assert.Throws<InvalidOperationException>(() => writer.WriteKeys(0, 0, [1, 2]));
            writer.Commit();
        }
        using CompressedCacheFile file = CompressedCacheFile.Open(path);
        float[] rows = new float[2];
        file.ReadValues(0, 0, rows);
        Assert.Equal([3f, 4f], rows);
        Assert.Throws<InvalidOperationException>(() => file.ReadQueries(0, 0, rows));
        Assert.Throws<ArgumentOutOfRangeException>(() => file.ReadKeys(1, 0, rows));
        Assert.Throws<ArgumentOutOfRangeException>(() => file.ReadKeys(0, 1, rows));
        Assert.Throws<ArgumentException>(() => file.ReadKeys(0, 0, new float[3]));
        file.Dispose();
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.ReadKeys(0, 0, rows));
    }

    [Fact]
    public void LayoutThatContradictsItselfIsRefused()
    {
        CompressedCacheLayout good = Layout(TraceSamples.Geometry(), 5, Mixed);
        Refused("codecs for 2 layers; 3 are wanted", good with { Geometry = TraceSamples.Geometry(layers: 3) });
        Refused("a dimension of 4097", good with { Geometry = TraceSamples.Geometry(valueDimension: 4097) });
        Refused("0 tokens", good with { Tokens = 0 });
        Refused("numbers in a head", good with { Tokens = int.MaxValue });
        Refused("3 query heads", good with { QueryHeads = 3 });
        Refused("queries of type U8", good with { QueryHeads = 2, QueryElementType = ElementType.U8 });
        Assert.Empty(_folder.Files);

        void Refused(string reason, CompressedCacheLayout layout) =>
            Assert.Contains(reason, Assert.Throws<ArgumentException>(() => CompressedCacheWriter.Create(_folder.File("cache"), layout)).Message);
    }

    [Fact]
    public void ConcurrentReadersSeeTheSameNumbers()
    {
        using CompressedCacheFile file = CompressedCacheFile.Open(Write(_folder.File("cache"), Layout(TraceSamples.Geometry(), 5, Mixed, 2)));
        Parallel.For(0, 500, i =>
        {
            float[] rows = new float[40];
            file.ReadKeys(i % 2, i / 2 % 2, rows);
            Assert.Equal(TraceSamples.Rows(i % 2, HeadKind.Key, i / 2 % 2, 5, 8), rows);
            file.ReadQueries(i % 2, i / 2 % 2, rows);
            Assert.Equal(TraceSamples.Rows(i % 2, HeadKind.Query, i / 2 % 2, 5, 8), rows);
        });
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
