using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Tests.Attention;
using Kvant.Tests.Formats;

namespace Kvant.Tests.Caching;

/// <summary>Caches whose key codecs learn a frame from the first rows and queries: what they learn depends on these alone.</summary>
public sealed class FrameCacheTests
{
    private const int Tokens = 330;
    private const int Width = 2 * 64;

    private static readonly CacheGeometry s_geometry = AttentionCases.Geometry() with { Rotary = new() { Base = 5000, Factors = [.. Enumerable.Repeat(1.5f, 32)], Divisor = 3 } };
    private static readonly KvCacheOptions s_options = AttentionCases.Options(s_geometry, "turboquant:bits=3,mean=32,frame=balanced", "q8:frame=constant", sinks: 3, window: 20);
    private static readonly float[] s_keys = [.. TestRows.Gaussian(Tokens, Width, seed: 1).Select((x, i) => x + (i % 7))];
    private static readonly float[] s_values = TestRows.Gaussian(Tokens, Width, seed: 2);
    private static readonly float[] s_queries = [.. TestRows.Gaussian(Tokens, 2 * Width, seed: 3).Select((x, i) => x * (1 + (i % 5)))];

    [Fact]
    public void EverySplitAndEveryWayOfAskingLearnsTheSame()
    {
        byte[] whole = Frozen(Tokens);
        foreach (int part in (int[])[1, 2, 50, 127, 128, 131, 200])
            Assert.Equal(whole, Frozen(part));
        using var cache = new KvCache(s_options);
        for (int first = 0; first < Tokens; first += 55)
        {
            cache.ObserveQueries(0, first, s_queries.AsSpan(first * 2 * Width, 55 * 2 * Width));
            cache.Append(0, s_keys.AsSpan(first * Width, 55 * Width), s_values.AsSpan(first * Width, 55 * Width));
        }

        Assert.Equal(whole, cache.Freeze());
    }

    [Fact]
    public void QueriesCountOnceInOrderAndNoLongerThanTheyMatter()
    {
        using KvCache cache = new(s_options), other = new(s_options);
        Extend(cache, 0, Tokens, 1);
        for (int first = 0; first < Tokens; first++)
        {
            Append(other, first, 1);
            // Too early, as it should be, again, and a token that was long ago.
            foreach (int position in (int[])[first + 1, first, first, first / 2])
                other.ObserveQueries(0, position, s_queries.AsSpan(position < Tokens ? position * 2 * Width : 0, 2 * Width));
        }

        Assert.Equal(cache.Freeze(), other.Freeze());
        using KvCache unasked = new(s_options);
        Append(unasked, 0, Tokens);
        Assert.NotEqual(cache.Freeze(), unasked.Freeze());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(90)]
    [InlineData(130)]
    [InlineData(131)]
    [InlineData(250)]
    public void ForksAndThawedCachesGoOnAsIfNothingHadBeen(int at)
    {
        byte[] whole = Frozen(Tokens);
        using var cache = new KvCache(s_options);
        Extend(cache, 0, at, 7);
        using KvCache fork = cache.Fork(), thawed = CacheFreezing.Thaw(cache.Freeze());
        Assert.Equal(s_geometry.Rotary, thawed.Geometry.Rotary);
        foreach (KvCache each in (KvCache[])[fork, thawed])
        {
            Extend(each, at, Tokens, 40);
            Assert.Equal(whole, each.Freeze());
        }

        Assert.Equal(at, cache.Length);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(60)]
    [InlineData(200)]
    public void WhatWasCutIsLearntAgain(int length)
    {
        using var cache = new KvCache(s_options);
        Extend(cache, 0, Tokens, 64);
        cache.Truncate(length);
        using KvCache thawed = CacheFreezing.Thaw(cache.Freeze());
        Extend(cache, length, Tokens, 64);
        Extend(thawed, length, Tokens, 64);
        Assert.Equal(cache.Freeze(), thawed.Freeze());
        if (length == 60)
            Assert.Equal(Frozen(Tokens), cache.Freeze()); // in the window: as if never
    }

    [Fact]
    public void AttentionIsThatOverDecodedRows()
    {
        using var cache = new KvCache(s_options with { Eviction = new Eviction.Newest(250) });
        Extend(cache, 0, Tokens, 30);
        AttentionCases.AssertDecode(cache, new AttentionSettings { Arithmetic = Arithmetic.Exact }, "exact");
    }

    // Whoever attends while a cache is written tells it of queries.
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(60)]
    public void QueriesThatComeWhileACacheIsFrozenAreNotInTheFile(int heard)
    {
        using var cache = new KvCache(s_options);
        cache.ObserveQueries(0, 0, s_queries.AsSpan(0, heard * 2 * Width));
        Append(cache, 0, 80);
        byte[] before = cache.Freeze();
        using var stream = new AskingStream(() => cache.ObserveQueries(0, heard, s_queries.AsSpan(heard * 2 * Width, 5 * 2 * Width)));
        cache.Freeze(stream);
        Assert.Equal(before, stream.ToArray());
        Assert.NotEqual(before, cache.Freeze());
        using KvCache thawed = CacheFreezing.Thaw(before);
        Assert.Equal(before, thawed.Freeze());
    }

    // A file of many heads that all turn differently would make a table for each.
    [Fact]
    public void FileWhoseHeadsTurnOtherwiseThanItSaysIsRefused()
    {
        using var cache = new KvCache(s_options);
        Extend(cache, 0, 200, 50);
        byte[] frozen = cache.Freeze(), speed = BitConverter.GetBytes(s_geometry.Rotary!.Speeds(64)[5]);
        int at = frozen.AsSpan().LastIndexOf(speed);
        Assert.True(at > 0);
        BitConverter.GetBytes(0.25).CopyTo(frozen, at);
        frozen = CacheBytes.Seal(frozen);
        Assert.Contains("turned", Assert.Throws<InvalidDataException>(() => CacheFreezing.Thaw(frozen)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WrongQueriesAreRefused()
    {
        using var cache = new KvCache(s_options);
        Assert.Throws<ArgumentException>(() => cache.ObserveQueries(0, 0, new float[Width]));
        Assert.Throws<ArgumentException>(() => cache.ObserveQueries(0, 0, [.. new float[(2 * Width) - 1], float.NaN]));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.ObserveQueries(1, 0, new float[2 * Width]));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.ObserveQueries(0, -1, new float[2 * Width]));
        Assert.Throws<ArgumentException>(() => new KvCache(s_options with { Geometry = s_geometry with { Rotary = new() { Dimension = 66 } } }));
    }

    private sealed class AskingStream(Action ask) : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer)
        {
            ask();
            base.Write(buffer);
        }
    }

    private static byte[] Frozen(int part)
    {
        using var cache = new KvCache(s_options);
        Extend(cache, 0, Tokens, part);
        return cache.Freeze();
    }

    // In parts; of one token as a decoder does it, appended and then asked.
    private static void Extend(KvCache cache, int from, int to, int part)
    {
        using var attention = new CacheAttention(s_geometry);
        for (int first = from, count; first < to; first += count)
        {
            count = Math.Min(part, to - first);
            ReadOnlySpan<float> queries = s_queries.AsSpan(first * 2 * Width, count * 2 * Width);
            float[] outputs = new float[queries.Length];
            if (count == 1)
            {
                Append(cache, first, 1);
                attention.Decode(cache, 0, queries, outputs);
            }
            else
            {
                attention.Prefill(cache, 0, queries, s_keys.AsSpan(first * Width, count * Width), s_values.AsSpan(first * Width, count * Width), outputs);
            }
        }
    }

    private static void Append(KvCache cache, int first, int count) =>
        cache.Append(0, s_keys.AsSpan(first * Width, count * Width), s_values.AsSpan(first * Width, count * Width));
}
