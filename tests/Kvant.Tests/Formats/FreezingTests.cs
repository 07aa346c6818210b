using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Tests.Caching;

namespace Kvant.Tests.Formats;

public sealed class FreezingTests : IDisposable
{
    private static readonly CacheIdentity s_identity = new() { Weights = "sha256:12", Positions = "rope \"10000\"", Note = "\u00e9\n" };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>Small, and with a part of every kind: state, sinks, blocks, window.</summary>
    internal static byte[] Sample()
    {
        KvCacheOptions options = CacheSamples.Options("kivi:group=16|outlier", sinks: 1, window: 3, eviction: new Eviction.MaxTokens(30)) with { Identity = s_identity };
        using KvCache cache = CacheSamples.Cache(options, tokens: 140);
        return cache.Freeze();
    }

    [Fact]
    public void ThawedCacheHoldsAndDoesTheSame()
    {
        KvCacheOptions options = CacheSamples.Options("turboquant:bits=3|kivi", layers: 2, eviction: new Eviction.Newest(150)) with
        {
            WindowCodec = CodecSpec.Parse("fp32"),
            Identity = s_identity,
        };
        using KvCache cache = CacheSamples.Cache(options, tokens: 300);
        cache.Save(_folder.File("cache"));
        using KvCache thawed = KvCache.Load(_folder.File("cache"));
        Assert.Equal(cache.Options with { Policy = thawed.Options.Policy }, thawed.Options);
        Assert.Equal(cache.Options.Policy, thawed.Options.Policy);
        Assert.Equal(cache.Statistics, thawed.Statistics);
        CacheSamples.Append(cache, 100, seed: 4, layer: 1);
        CacheSamples.Append(thawed, 100, seed: 4, layer: 1);
        Assert.Equal(cache.Freeze(), thawed.Freeze());
    }

    [Theory]
    [MemberData(nameof(CacheSamples.Pairs), MemberType = typeof(CacheSamples))]
    public void EveryCacheComesBackFromStreamsThatDoNotSeek(string pair)
    {
        foreach (int tokens in (int[])[0, 2, 20, 200])
        {
            using KvCache cache = CacheSamples.Cache(CacheSamples.Options(pair, layers: 2), tokens);
            byte[] frozen = cache.Freeze();
            using var pipe = new Pipe([.. frozen, 1, 2, 3]);
            cache.Freeze(pipe);
            Assert.Equal(frozen, pipe.Written);
            using (KvCache thawed = KvCache.Thaw(pipe))
                Assert.Equal(frozen, thawed.Freeze());
            Assert.Equal(1, pipe.ReadByte()); // what follows is the caller's
            CacheUse.Thaw(frozen);
        }
    }

    [Fact]
    public void EverySafetensorsReaderCanListIt()
    {
        using SafetensorsFile file = SafetensorsFile.Open(_folder.Write("cache", Sample()));
        // 1 sink; of 139 rows 128 are in blocks of 16, from 96 on those with one of the 29 that live; 11 wait.
        Assert.Equal(
            [
                "header.crc32c U8 [8]", "layers.0.key.sinks F16 [2, 1, 64]", "layers.0.value.sinks F16 [2, 1, 96]", "layers.0.key.window F16 [2, 11, 64]",
                "layers.0.value.window F16 [2, 11, 96]", "layers.0.value.state U8 [2, 12]", "layers.0.key.blocks U8 [2, 2, 512]",
                "layers.0.value.blocks U8 [2, 32, 32]", "layers.0.crc32c U8 [8]",
            ],
            file.Tensors.Select(t => t.ToString()));
        Assert.All(file.Tensors.Where(t => t.ElementType == ElementType.F16), t => Assert.Equal(0, t.Offset % 2));
        Assert.Equal("2", file.Metadata["kvant.cache"]);
        Assert.Equal("rope \"10000\"", file.Metadata["identity.positions"]);
    }

    [Fact]
    public void IdentityIsComparedWhereOneIsExpected()
    {
        byte[] frozen = Sample();
        KvCache.Thaw(frozen, expected: s_identity).Dispose();
        InvalidDataException other = Assert.Throws<InvalidDataException>(() => KvCache.Thaw(frozen, expected: s_identity with { Weights = "sha256:34" }));
        Assert.Contains("sha256:12", other.Message, StringComparison.Ordinal);
        Assert.Contains("sha256:34", other.Message, StringComparison.Ordinal);

        using KvCache nameless = CacheSamples.Cache(CacheSamples.Options("q8"), tokens: 5);
        Assert.Contains("no identity", Assert.Throws<InvalidDataException>(() => KvCache.Thaw(nameless.Freeze(), expected: s_identity)).Message, StringComparison.Ordinal);
        using var stream = new MemoryStream(frozen);
        using KvCache any = KvCache.Thaw(stream);
        Assert.Equal(s_identity, any.Options.Identity);
    }

    [Theory]
    [InlineData("frozen-cache.bin", "version 1; version 2 is known")]
    [InlineData("cache-v1.kvant", "version 1; version 2 is known")]
    public void VersionOneIsRefusedByItsNumber(string golden, string message) =>
        Assert.Contains(message, Assert.Throws<InvalidDataException>(() => KvCache.Thaw(TestFiles.Golden(golden))).Message, StringComparison.Ordinal);

    [Fact]
    public void LaterVersionsAreRefusedByTheirNumberBeforeAnythingElse() =>
        Assert.Contains("a cache of version 3", Assert.Throws<InvalidDataException>(() => KvCache.Thaw(CacheBytes.Edit(Sample(), "\"kvant.cache\":\"2\"", "\"kvant.cache\":\"3\",\"new\":\"x\""))).Message, StringComparison.Ordinal);

    [Fact]
    public void GoldenFileThawsAndFreezesToItself()
    {
        // Written by the first build that knew version 2 and never edited.
        using KvCache cache = new(CacheSamples.Options("bf16|outlier", sinks: 1, window: 3, eviction: new Eviction.MaxTokens(6)) with { Identity = s_identity });
        AppendFormula(cache, 140);
        AssertGolden(cache, "frozen-v2.kvant");
    }

    [Fact]
    public void GoldenFileOfAllKindsOfStepsThawsAndFreezesToItself()
    {
        // By age, as memory fills, and by a call.
        KvCacheOptions options = CacheSamples.Options("q8", sinks: 1, window: 3) with { Identity = s_identity, Policy = [LayerSpecs.FromText("q8; 100: q8 / q4_0; full: q4_0")] };
        options = options with { Geometry = options.Geometry with { KvHeads = 1, QueryHeads = 1, KeyDimension = 32, ValueDimension = 32 } };
        using KvCache cache = new(options with { MemoryLimit = CachePlan.For(options, 1500).TotalBytes });
        AppendFormula(cache, 1200);
        cache.Recode([LayerSpecs.FromText("kivi:bits=2,group=32")], 70);
        int[] ends = [.. Enumerable.Range(0, 4).Select(cache.Layers[0].Extent.End)];
        Assert.All(ends.Zip(ends.Skip(1)), pair => Assert.True(pair.First > pair.Second, string.Join(' ', ends)));
        AssertGolden(cache, "frozen-v2-steps.kvant");
    }

    // Numbers by a formula, so that no platform's random numbers or logarithms matter.
    private static void AppendFormula(KvCache cache, int tokens)
    {
        LayerGeometry shape = cache.Geometry[0];
        float[] keys = new float[tokens * shape.KvHeads * shape.KeyDimension], values = new float[tokens * shape.KvHeads * shape.ValueDimension];
        for (int i = 0; i < keys.Length; i++)
            keys[i] = ((i * 37 % 101) - 50) / 16f;
        for (int i = 0; i < values.Length; i++)
            values[i] = ((i * 53 % 211) - 105) / (i % 7 == 0 ? 8f : 32f);
        cache.Append(0, keys, values);
    }

    private static void AssertGolden(KvCache cache, string name)
    {
        byte[] frozen = cache.Freeze();
        string actual = Path.Combine(AppContext.BaseDirectory, Path.ChangeExtension(name, ".actual.kvant"));
        File.WriteAllBytes(actual, frozen);
        byte[] golden = TestFiles.Golden(name);
        Assert.True(golden.AsSpan().SequenceEqual(frozen), $"The bytes are not those of Golden/{name}, which never changes. What this build writes: {actual}");
        using KvCache thawed = KvCache.Thaw(golden);
        Assert.Equal(golden, thawed.Freeze());
    }

    [Fact]
    public void PoolWithoutRoomRefusesAndKeepsNothing()
    {
        using var pool = new PagePool(memoryLimit: 20_000);
        byte[] frozen = Sample();
        Assert.Throws<CacheFullException>(() => KvCache.Thaw(frozen, pool));
        Assert.Equal(0, pool.UsedBytes);
    }

    [Fact]
    public void DamageInALaterLayerKeepsNothingOfThePool()
    {
        using var pool = new PagePool();
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("q8", layers: 3), tokens: 100);
        byte[] frozen = cache.Freeze();
        frozen[^20] ^= 4;
        Assert.Contains("layer 2", Assert.Throws<InvalidDataException>(() => KvCache.Thaw(frozen, pool)).Message, StringComparison.Ordinal);
        Assert.Equal(0, pool.UsedBytes);
        Assert.InRange(pool.FreeBytes, 1, long.MaxValue);
    }

    [Fact]
    public void FileThatAsksForMoreMemoryThanItsSizeAllowsIsRefusedUnlessThePoolIsTheCallers()
    {
        // A window of 100 million rows in a file of a few hundred bytes: 200 heads of it are 320 GB.
        byte[] frozen = CacheBytes.Build(CacheBytes.Options(200, 4, 100_000_000, "fp16", "fp16"), [new(1, 0, 0, 0)]);
        Assert.Matches("asks for 3200[0-9]{8} bytes of memory; 21[0-9]{8} are allowed", Assert.Throws<InvalidDataException>(() => KvCache.Thaw(frozen)).Message);
        using var stream = new MemoryStream(frozen);
        Assert.Throws<InvalidDataException>(() => KvCache.Thaw(stream));
        string path = Path.GetTempFileName();
        File.WriteAllBytes(path, frozen);
        using (CacheFile file = CacheFile.Open(path))
        {
            using var unlimited = new PagePool();
            foreach (Action read in (Action[])[() => file.Verify(), () => file.ReadLayer(0, unlimited)])
                Assert.Matches("asks for 3200[0-9]{8} bytes of memory; 21[0-9]{8} are allowed", Assert.Throws<InvalidDataException>(read).Message);
        }

        File.Delete(path);
        using var pool = new PagePool(memoryLimit: 1 << 30);
        Assert.Contains("1073741824", Assert.Throws<CacheFullException>(() => KvCache.Thaw(frozen, pool)).Message, StringComparison.Ordinal);
        // Just below: taken, and no page of it touched that has no rows.
        byte[] modest = CacheBytes.Build(CacheBytes.Options(1, 4, 100_000_000, "fp16", "fp16"), [new(1, 0, 0, 0)]);
        KvCache.Thaw(modest).Dispose();
    }

    /// <summary>2 GiB, and 1,024 bytes for each byte of the file that is known to be there and to belong to it.</summary>
    [Fact]
    public void MemoryThatAFileMayAskForIsBoundedToTheByte()
    {
        // Rows of 16 bytes and a file of a few hundred: windows around both bounds.
        foreach (bool isPipe in (bool[])[false, true])
        {
            long length = File(window: 134_300_000).Bytes.Length, allowed = (2L << 30) + (isPipe ? 0 : 1024 * length);
            HashSet<bool> seen = [];
            for (int window = (int)(allowed / 16) - 8; window < (allowed / 16) + 8; window++)
            {
                (byte[] bytes, long needed) = File(window);
                Assert.Equal(length, bytes.Length);
                using Stream stream = isPipe ? new Pipe(bytes) : new MemoryStream([.. bytes, .. new byte[100_000]]);
                string? refused = null;
                try
                {
                    KvCache.Thaw(stream).Dispose();
                }
                catch (InvalidDataException e)
                {
                    refused = e.Message;
                }

                Assert.Equal(needed > allowed, refused is not null);
                Assert.Contains($"{needed} bytes of memory; {allowed} are allowed", refused ?? $"{needed} bytes of memory; {allowed} are allowed", StringComparison.Ordinal);
                seen.Add(refused is null);
            }

            Assert.Equal(2, seen.Count);
        }

        static (byte[] Bytes, long Needed) File(int window)
        {
            KvCacheOptions options = CacheBytes.Options(1, 4, window, "fp16", "fp16");
            return (CacheBytes.Build(options, [new(1, 0, 0, 0)]), LayerLayouts.Create(options)[0].Statistics(new(1, 0, 0, 0), sharedBytes: 0).TotalBytes);
        }
    }

    /// <summary>A stream as of a network: front to back, a few bytes at a time.</summary>
    private sealed class Pipe(byte[] content) : Stream
    {
        private readonly MemoryStream _written = new();
        private int _at;

        public byte[] Written => _written.ToArray();

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            int count = Math.Min(Math.Min(buffer.Length, 1000), content.Length - _at);
            content.AsSpan(_at, count).CopyTo(buffer);
            _at += count;
            return count;
        }

        public override void Write(byte[] buffer, int offset, int count) => _written.Write(buffer, offset, count);

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
