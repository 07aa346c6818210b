using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Gpu.Drivers;
using Kvant.Tests;
using Kvant.Tests.Attention;

namespace Kvant.Gpu.Tests;

/// <summary>A cache whose prompts a device encodes is byte for byte the one that the processor makes, whatever is done with both; what fails leaves it as it was.</summary>
public sealed class EncodedCacheTests
{
    private const string Keys = "turboquant:bits=4,mean=32,meanbits=4,frame=balanced", Values = "turboquant:bits=3,scale=unbiased,mean=32,meanbits=4";

    // Around sinks, the rows that calibration wants, tiles, pages, and what is encoded at once.
    public static TheoryData<int> Lengths => [0, 1, 4, 83, 84, 147, 148, 180, 276, 700, 1100];

    [Theory]
    [MemberData(nameof(Lengths))]
    public void PromptOfEveryLengthHasTheProcessorsBytes(int tokens)
    {
        using KvCache expected = Cache(Keys, Values), actual = Cache(Keys, Values);
        using var copy = new GpuKvCache(actual, GpuCases.Device, encodes: true);
        (float[] keys, float[] values) = AttentionCases.Rows(expected.Geometry, tokens, 3);
        expected.Append(0, keys, values);
        copy.Append(0, keys, values);
        Assert.Equal(expected.Freeze(), actual.Freeze());
        GpuCases.AssertDecode(copy, new(), $"{tokens} tokens");
    }

    [Theory]
    [InlineData("balanced")]
    [InlineData("small")]
    [InlineData("tiny")]
    public void EveryPresetWithTilesHasTheProcessorsBytes(string preset)
    {
        CacheGeometry geometry = AttentionCases.Geometry(keys: 128, values: 128) with { Rotary = new() { Base = 1_000_000 } };
        using KvCache expected = new(KvCacheOptions.Preset(preset, geometry)), actual = new(KvCacheOptions.Preset(preset, geometry));
        using var copy = new GpuKvCache(actual, GpuCases.Device, encodes: true);
        (float[] keys, float[] values) = AttentionCases.Rows(geometry, 600, 3);
        expected.Append(0, keys, values);
        copy.Append(0, keys, values);
        Assert.Equal(expected.Freeze(), actual.Freeze());
    }

    [Fact]
    public void AnySequenceOfCallsHasTheProcessorsBytes() => Fresh.Each("encoded copy", 2, seed =>
    {
        var random = new Random(seed);
        using KvCache expected = Cache(Keys, Values), actual = Cache(Keys, Values);
        using var copy = new GpuKvCache(actual, GpuCases.Device, encodes: true);
        for (int i = 0; i < 20; i++)
        {
            int length = expected.Length, choice = random.Next(5), cut = random.Next(length + 1);
            (float[] keys, float[] values) = AttentionCases.Rows(expected.Geometry, random.Next(1, 400), random.Next());
            if (choice == 0)
            {
                expected.Truncate(cut);
                actual.Truncate(cut);
            }
            else
            {
                expected.Append(0, keys, values);
                copy.Append(0, keys, values);
            }

            Assert.True(expected.Freeze().AsSpan().SequenceEqual(actual.Freeze()), $"call {i}: {length} tokens before, {expected.Length} after.");
        }
    });

    [Theory]
    [InlineData("q8", "turboquant:bits=3")]
    [InlineData("turboquant:bits=4,group=32", "fp16")]
    [InlineData("turboquant:bits=2,search=9", "turboquant:bits=2,rotation=haar")]
    public void EachSideForItself(string keys, string values)
    {
        using KvCache expected = Cache(keys, values), actual = Cache(keys, values);
        (FailingContext context, GpuDevice device) = GpuCases.Watched();
        using (device)
        {
            using var copy = new GpuKvCache(actual, device, encodes: true);
            AttentionCases.Append(expected, 300, 5);
            (float[] k, float[] v) = AttentionCases.Rows(expected.Geometry, 300, 5);
            copy.Append(0, k, v);
            Assert.Equal(expected.Freeze(), actual.Freeze());
            Assert.Contains("pack", context.Asked);
        }
    }

    [Fact]
    public void StepsByAgeHaveTheProcessorsBytes()
    {
        CacheGeometry geometry = AttentionCases.Geometry();
        LayerSpecs specs = new(CodecSpec.Parse("turboquant:bits=4"), CodecSpec.Parse("turboquant:bits=4")) { Ages = [new(300, CodecSpec.Parse("turboquant:bits=2"), CodecSpec.Parse("turboquant:bits=4"))] };
        KvCacheOptions options = new() { Geometry = geometry, Policy = [specs], Window = 16, Sinks = 4 };
        using KvCache expected = new(options), actual = new(options);
        using var copy = new GpuKvCache(actual, GpuCases.Device, encodes: true);
        for (int i = 0; i < 4; i++)
        {
            (float[] keys, float[] values) = AttentionCases.Rows(geometry, 250, i);
            expected.Append(0, keys, values);
            copy.Append(0, keys, values);
            Assert.Equal(expected.Freeze(), actual.Freeze());
        }
    }

    [Fact]
    public void PromptOfAttentionIsEncodedThere()
    {
        (FailingContext context, GpuDevice device) = GpuCases.Watched();
        using (device)
        {
            using KvCache expected = Cache(Keys, Values), actual = Cache(Keys, Values);
            using var copy = new GpuKvCache(actual, device, encodes: true);
            using var without = new GpuKvCache(expected, device);
            using var attention = new GpuAttention(device, expected.Geometry);
            (float[] keys, float[] values) = AttentionCases.Rows(expected.Geometry, 280, 3);
            float[] queries = AttentionCases.Queries(expected.Geometry, 1, 280), outputs = new float[queries.Length], others = new float[queries.Length];
            attention.Prefill(without, 0, queries, keys, values, others);
            Assert.DoesNotContain("pack", context.Asked);
            attention.Prefill(copy, 0, queries, keys, values, outputs);
            Assert.Contains("pack", context.Asked);
            Assert.Equal(others, outputs);
            Assert.Equal(expected.Freeze(), actual.Freeze());
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(70_000f)]
    public void WhatTheProcessorRefusesIsRefused(float bad)
    {
        using KvCache cache = Cache(Keys, Values);
        using var copy = new GpuKvCache(cache, GpuCases.Device, encodes: true);
        (float[] keys, float[] values) = AttentionCases.Rows(cache.Geometry, 300, 5);
        copy.Append(0, keys, values);
        byte[] before = cache.Freeze();
        values[^3] = bad;
        string expected = Assert.Throws<ArgumentException>(() => cache.Append(0, keys, values)).Message;
        Assert.Equal(expected, Assert.Throws<ArgumentException>(() => copy.Append(0, keys, values)).Message);
        Assert.Equal(before, cache.Freeze());
    }

    [Fact]
    public void EveryCallOfTheDriverMayFail()
    {
        (FailingContext context, GpuDevice device) = GpuCases.Watched();
        using (device)
        {
            using KvCache expected = Cache(Keys, Values), actual = Cache(Keys, Values);
            using var copy = new GpuKvCache(actual, device, encodes: true);
            int failures = 0;
            for (int calls = 0; calls < 60; calls++)
            {
                (float[] keys, float[] values) = AttentionCases.Rows(expected.Geometry, 180, calls);
                byte[] before = actual.Freeze();
                context.CallsBeforeFailure = calls;
                try
                {
                    copy.Append(0, keys, values);
                    expected.Append(0, keys, values);
                }
                catch (GpuException lost)
                {
                    Assert.Equal("The device was lost.", lost.Message);
                    Assert.Equal(before, actual.Freeze());
                    failures++;
                }
            }

            context.CallsBeforeFailure = -1;
            Assert.InRange(failures, 20, 58);
            Assert.Equal(expected.Freeze(), actual.Freeze());
            Assert.InRange(device.UsedBytes, 1, 1 << 16); // tables that all caches share
        }
    }

    [Fact]
    public void LimitOfMemoryIsKept()
    {
        GpuCases.RequireDevice();
        using var device = GpuDevice.Open(0, 400_000);
        using KvCache cache = Cache(Keys, Values);
        using var copy = new GpuKvCache(cache, device, encodes: true);
        (float[] keys, float[] values) = AttentionCases.Rows(cache.Geometry, 1000, 5);
        byte[] before = cache.Freeze();
        Assert.Matches("A call needs [0-9]+ bytes of the device; [0-9]+ of at most 400000 are in use", Assert.Throws<GpuException>(() => copy.Append(0, keys, values)).Message);
        Assert.Equal(before, cache.Freeze());
        using KvCache expected = Cache(Keys, Values);
        (keys, values) = AttentionCases.Rows(cache.Geometry, 200, 6);
        expected.Append(0, keys, values);
        copy.Append(0, keys, values);
        Assert.Equal(expected.Freeze(), cache.Freeze());
    }

    [Fact]
    public void MemoryGoesBack()
    {
        GpuCases.RequireDevice();
        using var device = GpuDevice.Open();
        using KvCache cache = Cache("turboquant:bits=4", "turboquant:bits=4");
        (float[] keys, float[] values) = AttentionCases.Rows(cache.Geometry, 84, 5);
        long tables = -1;
        for (int i = 0; i < 1000; i++)
        {
            using var copy = new GpuKvCache(cache, device, encodes: true);
            copy.Append(0, keys, values);
            cache.Clear();
            tables = tables < 0 ? device.UsedBytes : tables;
            Assert.Equal(tables, device.UsedBytes);
        }

        Assert.InRange(tables, 1, 1 << 14);
    }

    [Fact]
    public void TwoContextsSideBySide()
    {
        GpuCases.RequireDevice();
        using var device = GpuDevice.Open();
        using KvCache expected = Cache(Keys, Values), one = Cache(Keys, Values), two = Cache(Keys, Values);
        using GpuKvCache first = new(one, GpuCases.Device, encodes: true), second = new(two, device, encodes: true);
        (float[] keys, float[] values) = AttentionCases.Rows(expected.Geometry, 500, 8);
        expected.Append(0, keys, values);
        Parallel.Invoke(() => first.Append(0, keys, values), () => second.Append(0, keys, values));
        Assert.Equal(expected.Freeze(), one.Freeze());
        Assert.Equal(expected.Freeze(), two.Freeze());
    }

    [Fact]
    public void WhatCannotBeEncodedThereIsRefusedByName()
    {
        using KvCache bytes = Cache("q8", "fp16");
        string message = Assert.Throws<NotSupportedException>(() => new GpuKvCache(bytes, GpuCases.Device, encodes: true)).Message;
        Assert.Contains("layer 0: 'q8'", message, StringComparison.Ordinal);
        (GpuDeviceInfo info, Func<DeviceContext> open) = Found.All()[0];
        using var device = new GpuDevice(info with { IsExact = false }, open(), null);
        using KvCache cache = Cache(Keys, Values);
        Assert.Contains("does not divide as exactly", Assert.Throws<NotSupportedException>(() => new GpuKvCache(cache, device, encodes: true)).Message, StringComparison.Ordinal);
        using var attends = new GpuKvCache(cache, device);
        Assert.False(attends.Encodes);
        attends.Dispose();
        Assert.Throws<ObjectDisposedException>(() => attends.Append(0, new float[128], new float[128]));
    }

    private static KvCache Cache(string keys, string values) => new(AttentionCases.Options(AttentionCases.Geometry() with { Rotary = new() { Base = 10_000 } }, keys, values));
}
