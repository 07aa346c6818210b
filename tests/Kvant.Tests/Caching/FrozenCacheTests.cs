using System.Buffers.Binary;
using Kvant.Caching;
using Kvant.Kernels;

namespace Kvant.Tests.Caching;

public sealed class FrozenCacheTests
{
    private const int LengthAt = 12;

    // Small, and with a part of every kind: state, sinks, blocks, window.
    private static byte[] Sample()
    {
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("kivi:group=16|outlier", sinks: 1, window: 3, eviction: new Eviction.MaxTokens(30)), tokens: 140);
        return cache.Freeze();
    }

    [Fact]
    public void ThawedCacheHoldsAndDoesTheSame()
    {
        KvCacheOptions options = CacheSamples.Options("turboquant:bits=3|kivi", layers: 2, eviction: new Eviction.SlidingWindow(150)) with { WindowCodec = Kvant.Codecs.CodecSpec.Parse("fp32") };
        using KvCache cache = CacheSamples.Cache(options, tokens: 300);
        using var stream = new MemoryStream();
        cache.Freeze(stream);
        using KvCache thawed = KvCache.Thaw(stream.ToArray());
        Assert.Equal(cache.Options with { Policy = thawed.Options.Policy }, thawed.Options);
        Assert.Equal(cache.Options.Policy, thawed.Options.Policy);
        Assert.Equal(cache.Statistics, thawed.Statistics);
        CacheSamples.Append(cache, 100, seed: 4, layer: 1);
        CacheSamples.Append(thawed, 100, seed: 4, layer: 1);
        Assert.Equal(cache.Freeze(), thawed.Freeze());
    }

    [Fact]
    public void EveryFlippedBitAndEveryLostByteIsFound()
    {
        byte[] frozen = Sample();
        for (int i = 0; i < frozen.Length; i++)
        {
            frozen[i] ^= (byte)(1 << (i % 8));
            AssertRefused(frozen, $"byte {i} flipped");
            frozen[i] ^= (byte)(1 << (i % 8));
        }

        for (int length = 0; length < frozen.Length; length++)
            AssertRefused(frozen.AsSpan(0, length), $"cut to {length}");
        AssertRefused([.. frozen, 0], "one byte more");
        KvCache.Thaw(frozen).Dispose();
    }

    [Theory]
    [InlineData(0, int.MaxValue)] // layers
    [InlineData(1, -2)] // heads
    [InlineData(1, int.MaxValue)]
    [InlineData(3, 1 << 20)] // key dimension
    [InlineData(5, int.MaxValue)] // sinks
    [InlineData(6, int.MaxValue)] // window
    [InlineData(6, 1 << 28)]
    [InlineData(7, int.MaxValue)] // drafts
    [InlineData(7, -1)]
    [InlineData(8, 3)] // kind of eviction
    [InlineData(9, 0)]
    public void LiesWithARightChecksumAreFoundWithoutGreatAllocation(int field, int lie)
    {
        byte[] frozen = Sample();
        BinaryPrimitives.WriteInt32LittleEndian(frozen.AsSpan(16 + (field * sizeof(int))), lie);
        Seal(frozen);
        long before = GC.GetAllocatedBytesForCurrentThread();
        AssertRefused(frozen, $"field {field} is {lie}");
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4 << 20);
    }

    [Fact]
    public void LiesAboutLengthsAreFound()
    {
        byte[] frozen = Sample();
        int extent = frozen.AsSpan().IndexOf("outlier"u8);
        extent += BinaryPrimitives.ReadUInt16LittleEndian(frozen.AsSpan(extent - 2));
        foreach ((int at, int lie) in ((int, int)[])[(0, -1), (0, 141), (0, int.MaxValue), (4, 16), (4, 17), (4, int.MaxValue), (8, -1), (8, 0), (8, 400), (12, -1), (12, 1), (12, 16)])
        {
            byte[] wrong = [.. frozen];
            BinaryPrimitives.WriteInt32LittleEndian(wrong.AsSpan(extent + at), lie);
            Seal(wrong);
            AssertRefused(wrong, $"{at} is {lie}");
        }
    }

    [Fact]
    public void WaitingRowsThatTheDoorWouldRefuseAreFound()
    {
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("turboquant:bits=4", window: 50), tokens: 20);
        byte[] frozen = cache.Freeze();
        BinaryPrimitives.WriteHalfLittleEndian(frozen.AsSpan(^6), Half.NaN);
        BinaryPrimitives.WriteUInt32LittleEndian(frozen.AsSpan(^4), Crc32C.Compute(frozen.AsSpan(End(frozen)..^4)));
        Assert.Contains("must be finite", Assert.Throws<InvalidDataException>(() => KvCache.Thaw(frozen)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void OtherVersionsAreRefusedByNumber()
    {
        byte[] frozen = Sample();
        frozen[8] = 3;
        Assert.Contains("is 3; 1 and 2 are known", Assert.Throws<InvalidDataException>(() => KvCache.Thaw(frozen)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void GoldenFileOfVersionOneThawsToTheSameCache()
    {
        // Written by the first version and never edited. Numbers by a formula, so that no platform's random numbers or logarithms matter.
        byte[] golden = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Golden", "frozen-cache.bin"));
        using KvCache cache = new(CacheSamples.Options("bf16|outlier", sinks: 1, window: 3, eviction: new Eviction.MaxTokens(6)));
        float[] keys = new float[140 * CacheSamples.Heads * CacheSamples.KeyDimension], values = new float[140 * CacheSamples.Heads * CacheSamples.ValueDimension];
        for (int i = 0; i < keys.Length; i++)
            keys[i] = ((i * 37 % 101) - 50) / 16f;
        for (int i = 0; i < values.Length; i++)
            values[i] = ((i * 53 % 211) - 105) / (i % 7 == 0 ? 8f : 32f);
        cache.Append(0, keys, values);
        using KvCache thawed = KvCache.Thaw(golden);
        Assert.Equal(cache.Freeze(), thawed.Freeze());
    }

    [Fact]
    public void PoolWithoutRoomRefusesAndKeepsNothing()
    {
        using var pool = new PagePool(memoryLimit: 20_000);
        byte[] frozen = Sample();
        Assert.Throws<CacheFullException>(() => KvCache.Thaw(frozen, pool));
        Assert.Equal(0, pool.UsedBytes);
    }

    private static int End(byte[] frozen) => 16 + BinaryPrimitives.ReadInt32LittleEndian(frozen.AsSpan(LengthAt)) + 4;

    private static void Seal(byte[] frozen) =>
        BinaryPrimitives.WriteUInt32LittleEndian(frozen.AsSpan(End(frozen) - 4), Crc32C.Compute(frozen.AsSpan(0, End(frozen) - 4)));

    private static void AssertRefused(ReadOnlySpan<byte> bytes, string how)
    {
        try
        {
            KvCache.Thaw(bytes).Dispose();
        }
        catch (InvalidDataException e)
        {
            Assert.Matches("[0-9]", e.Message);
            return;
        }

        Assert.Fail($"{how}: accepted.");
    }
}
