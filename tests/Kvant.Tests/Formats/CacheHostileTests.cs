using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Tests.Caching;

namespace Kvant.Tests.Formats;

/// <summary>Damaged and lying cache files: refused, or a cache that can be used.</summary>
public sealed class CacheHostileTests
{
    private const int Last = int.MaxValue;

    public static TheoryData<string> Pairs => CacheSamples.Pairs;

    [Fact]
    public void EveryFlippedBitAndEveryLostByteIsFound()
    {
        byte[] frozen = FreezingTests.Sample();
        for (int i = 0; i < frozen.Length; i++)
        {
            frozen[i] ^= (byte)(1 << (i % 8));
            AssertRefused(frozen, $"byte {i} flipped");
            frozen[i] ^= (byte)(1 << (i % 8));
        }

        for (int length = 0; length < frozen.Length; length += length < 2000 ? 1 : 7)
            AssertRefused(frozen.AsSpan(0, length), $"cut to {length}");
        AssertRefused([.. frozen, 0], "one byte more");
        KvCache.Thaw(frozen).Dispose();
    }

    /// <summary>A header of no bytes at all, which afl++ found.</summary>
    [Theory]
    [InlineData(8)]
    [InlineData(16)]
    [InlineData(5000)]
    public void FileOfZerosIsRefused(int length)
    {
        AssertRefused(new byte[length], "bytes");
        AssertRefused(CacheBytes.Seal(new byte[length]), "sealed");
        using var stream = new MemoryStream(new byte[length]);
        Assert.Throws<InvalidDataException>(() => KvCache.Thaw(stream));
        string path = Path.GetTempFileName();
        File.WriteAllBytes(path, new byte[length]);
        Assert.Throws<InvalidDataException>(() => CacheFile.Open(path));
        File.Delete(path);
    }

    [Theory]
    [InlineData("\"layers\":\"1\"", "\"layers\":\"2147483647\"", "2147483647 layers do not fit")]
    [InlineData("\"layers\":\"1\"", "\"layers\":\"2\"", "'layers.1.keys' is missing")]
    [InlineData("\"kv_heads\":\"2\"", "\"kv_heads\":\"2147483647\"", "")]
    [InlineData("\"kv_heads\":\"2\"", "\"kv_heads\":\"0\"", "at least one of each")]
    [InlineData("\"kv_heads\":\"2\"", "\"kv_heads\":\"-2\"", "'kv_heads' is '-2'")]
    [InlineData("\"query_heads\":\"2\"", "\"query_heads\":\"3\"", "3 query heads do not share")]
    [InlineData("\"key_dimension\":\"64\"", "\"key_dimension\":\"1048576\"", "1 to 4096")]
    [InlineData("\"sinks\":\"1\"", "\"sinks\":\"2147483647\"", "keeps nothing")]
    [InlineData("\"window\":\"3\"", "\"window\":\"2147483647\"", "")]
    [InlineData("\"window\":\"3\"", "\"window\":\"268435456\"", "sinks or window take")]
    [InlineData("\"draft_tokens\":\"0\"", "\"draft_tokens\":\"2147483647\"", "")]
    [InlineData("\"layers.0.cut_rows\":\"0\"", "\"layers.0.cut_rows\":\"1\"", "its metadata make")]
    [InlineData("\"layers.0.cut_rows\":\"0\"", "\"layers.0.cut_rows\":\"16\"", "cannot be")]
    [InlineData("\"window\":\"3\"", "\"window\":\"03\"", "its metadata make '3\"")]
    [InlineData("\"eviction.max_tokens\":\"30\"", "\"eviction.max_tokens\":\"1\"", "keeps nothing")]
    [InlineData("\"eviction.max_tokens\":\"30\"", "\"eviction.max\":\"30\"", "its metadata make")]
    [InlineData("\"layers.0.keys\":\"kivi:bits=2", "\"layers.0.keys\":\"kivj:bits=2", "Unknown codec 'kivj'")]
    [InlineData("\"layers.0.keys\":\"kivi:bits=2,group=16\"", "\"layers.0.keys\":\"kivi:group=16\"", "its metadata make")]
    [InlineData("\"layers.0.tokens\":\"140\"", "\"layers.0.tokens\":\"141\"", "its metadata make")]
    [InlineData("\"layers.0.tokens\":\"140\"", "\"layers.0.tokens\":\"2147483647\"", "cannot be")]
    [InlineData("\"layers.0.body_rows\":\"128\"", "\"layers.0.body_rows\":\"127\"", "cannot be")]
    [InlineData("\"layers.0.body_rows\":\"128\"", "\"layers.0.body_rows\":\"0\"", "cannot be")]
    [InlineData("\"layers.0.first_live\":\"111\"", "\"layers.0.first_live\":\"0\"", "cannot be")]
    [InlineData("\"layers.0.first_live\":\"111\"", "\"layers.0.first_live\":\"141\"", "cannot be")]
    [InlineData("\"identity.note\"", "\"identity.nope\"", "its metadata make")]
    [InlineData("\"kvant.cache\":\"2\"", "\"kvant.cashe\":\"2\"", "'kvant.cache' is missing")]
    [InlineData("\"dtype\":\"U8\",\"shape\":[2,12]", "\"dtype\":\"U8\",\"shape\":[12,2]", "its metadata make")]
    [InlineData("\"kvant.cache\":\"2\",", "\"kvant.cache\":\"2\",\"queries\":\"BF16\",", "F16 or F32 is wanted")]
    [InlineData("\"kvant.cache\":\"2\",", "\"kvant.cache\":\"2\",\"kvant.cache\":\"2\",", "not valid")]
    public void LiesWithRightChecksumsAreFoundWithoutGreatAllocation(string old, string lie, string reason)
    {
        byte[] wrong = CacheBytes.Edit(FreezingTests.Sample(), old, lie);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains(reason, AssertRefused(wrong, lie), StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    /// <summary>Right checksums over bytes that no cache wrote: refused, or numbers that every later call can bear.</summary>
    [Theory]
    [MemberData(nameof(Pairs))]
    public void BytesOfAnySortAreRefusedOrUsable(string pair)
    {
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options(pair, sinks: 2, window: 5), tokens: 200);
        byte[] frozen = cache.Freeze();
        var random = new Random(20261128);
        foreach ((string name, int start, int length) in CacheBytes.Tensors(frozen).Where(t => !t.Name.EndsWith("crc32c", StringComparison.Ordinal)))
        {
            for (int round = 0; round < 5; round++)
            {
                byte[] damaged = [.. frozen];
                Span<byte> bytes = damaged.AsSpan(start, length);
                if (round == 0)
                    bytes.Clear();
                else if (round == 1)
                    bytes.Fill(0xFF);
                else if (round == 2)
                    bytes.Fill(0x7C); // large, negative zero or infinite, by the format
                else
                    random.NextBytes(bytes.Slice(random.Next(length), 1));
                if (round == 4)
                    bytes.Slice(random.Next(length), 1)[0] |= 0x7C;
                Survive(CacheBytes.Seal(damaged), $"{pair}: {name}, round {round}");
            }
        }
    }

    [Theory]
    [InlineData("fp16", 0x7C)]
    [InlineData("fp16", 0xFF)]
    [InlineData("turboquant:bits=4", 0x7C)]
    [InlineData("turboquant:bits=4", 0xFC)]
    [InlineData("outlier", 0xFF)]
    [InlineData("kivi:bits=4,group=16", 0x7C)]
    [InlineData("q8_0", 0x7C)]
    [InlineData("q8", 0xFF)]
    [InlineData("turboquant:bits=2,mean=32", 0x7C)]
    public void BlocksThatDoNotDecodeToFiniteNumbersAreRefused(string spec, byte content)
    {
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options(spec, sinks: 0, window: 0), tokens: 128);
        byte[] frozen = cache.Freeze();
        (_, int start, int length) = CacheBytes.Tensors(frozen).Single(t => t.Name == "layers.0.value.blocks");
        byte[] damaged = [.. frozen];
        damaged.AsSpan(start, length).Fill(content);
        damaged.AsSpan(start, length)[1] = 0x7C; // with the byte before, a half that is infinite
        Assert.Contains("does not decode to finite numbers", AssertRefused(CacheBytes.Seal(damaged), spec), StringComparison.Ordinal);
    }

    [Fact]
    public void RowsThatTheDoorWouldRefuseAreFoundInWindowAndSinks()
    {
        using KvCache cache = CacheSamples.Cache(CacheSamples.Options("turboquant:bits=4", window: 50), tokens: 20);
        foreach (string tensor in (string[])["key.window", "value.window", "key.sinks", "value.sinks"])
        {
            byte[] damaged = cache.Freeze();
            (_, int start, int length) = CacheBytes.Tensors(damaged).Single(t => t.Name == $"layers.0.{tensor}");
            damaged[start + length - 1] = 0x7E;
            Assert.Contains("must be finite", AssertRefused(CacheBytes.Seal(damaged), tensor), StringComparison.Ordinal);
        }
    }

    /// <summary>Near the last position no sum may overflow; what is read then is what was written.</summary>
    [Theory]
    [InlineData(2, 8, 3, Last, Last - 3, Last - 1, 0)] // a ring of three rows
    [InlineData(64, 64, 63, Last, Last - 20, Last - 1, 0)]
    [InlineData(1, 8, 64, Last, Last, Last - 1, 1)] // all of it evicted but one row
    [InlineData(1, 8, 64, Last, Last, Last, 0)]
    [InlineData(1, 8, 64, Last, Last - 64, Last - 10, 5)]
    [InlineData(1, 8, 0, Last - 1, Last - 1, Last - 129, 0)]
    public void CachesAtTheLastPositionsAreUsable(int heads, int dimension, int window, int tokens, int body, int firstLive, int kept)
    {
        Eviction? eviction = kept > 0 ? new Eviction.Newest(kept) : null;
        Survive(CacheBytes.Build(CacheBytes.Options(heads, dimension, window, "q8", "q8", eviction: eviction), [new(tokens, body, firstLive, 0)]), "q8");
        int blocks = tokens - (tokens % 32);
        Survive(CacheBytes.Build(CacheBytes.Options(heads, 64, window + 96, "turboquant", "q4_0", eviction: eviction), [new(tokens, blocks - 32, Math.Min(firstLive, blocks), 0)]), "tiles");
    }

    /// <summary>A window near the largest, of which two rows are there.</summary>
    [Fact]
    public void WindowNearTheLargestIsUsable()
    {
        Survive(CacheBytes.Build(CacheBytes.Options(1, 1, (1 << 30) - 2, "fp16", "fp16"), [new(2, 0, 0, 0)]), "largest window");
        Survive(CacheBytes.Build(CacheBytes.Options(1, 8, (1 << 26) - 2, "q8", "q8"), [new(Last, Last - 2, Last - 2, 0)]), "large window");
    }

    /// <summary>Heads without rows take no bytes, so a file of a few hundred may have any number of them: nothing goes through them, or this takes minutes.</summary>
    [Fact]
    public void HeadsWithoutRowsCostNothing()
    {
        KvCacheOptions options = CacheBytes.Options(Last, 8, 0, "q8", "outlier:channels=3", eviction: new Eviction.Newest(1));
        Survive(CacheBytes.Build(options, [new(0, 0, 0, 0)]), "no token");
        Survive(CacheBytes.Build(options with { Policy = LayerPolicy.Uniform(1, CodecSpec.Parse("q8"), CodecSpec.Parse("q8")) }, [new(7, 7, 7, 0)]), "all evicted");
    }

    /// <summary>More rows wait than the window lets: not what appends lead to, and in the end the last would overwrite the first of the ring.</summary>
    [Fact]
    public void MoreWaitingRowsThanTheRingHoldsAreRefused()
    {
        KvCacheOptions options = CacheBytes.Options(1, 64, 10, "turboquant", "turboquant");
        Survive(CacheBytes.Build(options, [new(41, 0, 0, 0)]), "a full window");
        Assert.Contains("Layer 0 cannot be", AssertRefused(CacheBytes.Build(options, [new(42, 0, 0, 0)]), "42 rows where 10 to 41 wait"), StringComparison.Ordinal);
    }

    [Fact]
    public void MoreThanTheMostSpecsAreRefused()
    {
        foreach (int seeds in (int[])[128, 129])
        {
            KvCacheOptions options = CacheBytes.Options(1, 8, 0, "fp16", "fp16", layers: seeds) with
            {
                Policy = [.. Enumerable.Range(0, seeds).Select(i => new LayerSpecs(CodecSpec.Parse($"turboquant:bits=3,seed={i}"), CodecSpec.Parse($"turboquant:bits=2,seed={i}")))],
            };
            if (seeds == 128)
                KvCache.Thaw(CacheBytes.Build(options, new LayerExtent[seeds])).Dispose();
            else
                Assert.Contains("258 different specs; at most 256", Assert.Throws<ArgumentException>(() => CacheBytes.Build(options, new LayerExtent[seeds])).Message, StringComparison.Ordinal);
        }
    }

    /// <summary>Mutants, with checksums as they are and made right again, so that they reach the checks behind them.</summary>
    [Theory]
    [InlineData(20261101)]
    [InlineData(20261102)]
    public void MutantsAreRefusedOrUsable(int seed)
    {
        byte[][] samples =
        [
            FreezingTests.Sample(),
            CacheSamples.Cache(CacheSamples.Options("turboquant:bits=2|q4_0:mean=32,meanbits=8", sinks: 1, window: 2, layers: 2), tokens: 70).Freeze(),
            CacheSamples.Cache(CacheSamples.Options("bf16|fp32", sinks: 0, window: 4), tokens: 6).Freeze(),
        ];
        for (int round = 0; round < 1500; round++)
        {
            byte[] mutant = Mutator.Mutant(samples[round % samples.Length], new Random(seed + round));
            Survive(round % 4 == 0 ? mutant : CacheBytes.Seal(mutant), $"seed {seed + round} of sample {round % samples.Length}");
        }
    }

    /// <summary>Every number of the metadata replaced by others, with all that follows from them made right.</summary>
    [Fact]
    public void HeadersOfEveryShapeAreRefusedOrUsable()
    {
        var random = new Random(20261103);
        int[] odd = [0, 1, 2, 3, 31, 32, 33, 127, 128, 129, 1000, 1 << 16, 1 << 24, 1 << 30, Last - 128, Last - 1, Last];
        string[] specs = ["q8", "fp32", "turboquant:bits=3", "kivi", "outlier:channels=3", "turboquant:bits=2,mean=head", "q4_0"];
        int built = 0;
        for (int round = 0; round < 1000; round++)
        {
            try
            {
                KvCacheOptions options = CacheBytes.Options(
                    random.Next(3) + 1, random.Next(2) == 0 ? 32 : 64, Few(), specs[random.Next(specs.Length)], specs[random.Next(specs.Length)], sinks: random.Next(2) == 0 ? 0 : Few(),
                    eviction: random.Next(3) switch { 0 => new Eviction.Newest(Odd() + 1), 1 => new Eviction.MaxTokens(Odd() + 1), _ => null });
                LayerLayout layout = LayerLayouts.Create(options)[0];
                int tokens = Odd(), rows = Math.Max(0, tokens - options.Sinks), body = Math.Max(0, rows - (rows % layout.BlockRows) - (layout.BlockRows * random.Next(4)));
                var extent = new LayerExtent(tokens, body, Math.Clamp(tokens - random.Next(300), options.Sinks, Math.Max(tokens, options.Sinks)), random.Next(3) == 0 ? random.Next(40) : 0);
                if (!layout.IsPossible(extent) || new CacheHeader(options, [layout], [extent]).FileBytes > 1 << 20)
                    continue;
                Survive(CacheBytes.Build(options, [extent], (byte)random.Next(2)), $"round {round}: {options}, {extent}");
                built++;
            }
            catch (Exception e) when (e is ArgumentException or OverflowException)
            {
                // No such cache.
            }
        }

        Assert.InRange(built, 50, 1000);

        int Few() => Odd() % 5000;
        int Odd() => Math.Max(0, odd[random.Next(odd.Length)] - random.Next(3));
    }

    private static void Survive(byte[] bytes, string how)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            CacheUse.Thaw(bytes);
        }
        catch (InvalidDataException)
        {
            // Refused: as good.
        }
        catch (Exception e)
        {
            Assert.Fail($"{how}: {e}");
        }

        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < (64L << 20) + (1000 * bytes.Length), $"{how}: {GC.GetAllocatedBytesForCurrentThread() - before} bytes allocated.");
    }

    private static string AssertRefused(ReadOnlySpan<byte> bytes, string how)
    {
        try
        {
            KvCache.Thaw(bytes).Dispose();
        }
        catch (InvalidDataException e)
        {
            return e.Message;
        }

        Assert.Fail($"{how}: accepted.");
        return "";
    }
}
