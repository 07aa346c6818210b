using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Tests;
using Kvant.Tests.Attention;

namespace Kvant.Gpu.Tests;

/// <summary>A copy follows whatever happens to its cache.</summary>
public sealed class CopyTests
{
    private const string Keys = "turboquant:bits=4,mean=32,meanbits=8,frame=constant", Values = "turboquant:bits=3,code=trellis";

    [Fact]
    public void AnySequenceOfCallsIsFollowed() => Fresh.Each("copy", 2, seed =>
    {
        var random = new Random(seed);
        (KvCache cache, GpuKvCache copy) = GpuCases.Filled(AttentionCases.Geometry(), Keys, Values, 0);
        using (cache)
        using (copy)
        {
            for (int i = 0; i < 25; i++)
            {
                int length = cache.Length;
                switch (random.Next(6))
                {
                    case 0:
                        cache.Truncate(random.Next(length + 1));
                        break;
                    case 1 when length > 0:
                        cache.Truncate(Math.Max(0, length - random.Next(1, 20)));
                        break;
                    case 2 when random.Next(4) == 0:
                        cache.Clear();
                        break;
                    default:
                        AttentionCases.Append(cache, random.Next(1, 150), random.Next());
                        break;
                }

                if (random.Next(3) > 0)
                    GpuCases.AssertDecode(copy, new(), $"call {i}, {length} tokens before, {cache.Length} after", seed: i);
            }
        }
    });

    [Fact]
    public void ForkAndItsSourceGoTheirOwnWays()
    {
        (KvCache cache, GpuKvCache copy) = GpuCases.Filled(AttentionCases.Geometry(), Keys, Values, 300);
        using (cache)
        using (copy)
        {
            copy.Upload();
            using KvCache fork = cache.Fork();
            using var other = new GpuKvCache(fork, copy.Device);
            AttentionCases.Append(cache, 100, seed: 5);
            AttentionCases.Append(fork, 70, seed: 6);
            GpuCases.AssertDecode(copy, new(), "the source");
            GpuCases.AssertDecode(other, new(), "the fork");
        }
    }

    [Fact]
    public void RowsThatAreCodedAgainAreFollowed()
    {
        CacheGeometry geometry = AttentionCases.Geometry();
        (KvCache cache, GpuKvCache copy) = GpuCases.Filled(geometry, "turboquant:bits=4", "turboquant:bits=4", 500);
        using (cache)
        using (copy)
        {
            GpuCases.AssertDecode(copy, new(), "before");
            cache.Recode(LayerPolicy.Uniform(1, CodecSpec.Parse("turboquant:bits=2"), CodecSpec.Parse("turboquant:bits=3,code=trellis")), 260);
            GpuCases.AssertDecode(copy, new(), "after");
            AttentionCases.Append(cache, 90, seed: 8);
            GpuCases.AssertDecode(copy, new(), "and on");
        }
    }

    [Fact]
    public void StepsByAgeAreFollowed()
    {
        CacheGeometry geometry = AttentionCases.Geometry();
        LayerSpecs specs = new(CodecSpec.Parse("q8"), CodecSpec.Parse("q8")) { Ages = [new(100, CodecSpec.Parse("turboquant:bits=4"), CodecSpec.Parse("turboquant:bits=3")), new(250, CodecSpec.Parse("turboquant:bits=2"), CodecSpec.Parse("turboquant:bits=2"))] };
        using var cache = new KvCache(new() { Geometry = geometry, Policy = [specs], Window = 16 });
        using var copy = new GpuKvCache(cache, GpuCases.Device);
        for (int i = 0; i < 6; i++)
        {
            AttentionCases.Append(cache, 95, seed: i);
            GpuCases.AssertDecode(copy, new(), $"{cache.Length} tokens");
        }
    }

    [Fact]
    public void MemoryGoesBack()
    {
        using GpuDevice device = Open();
        (KvCache cache, GpuKvCache shared) = GpuCases.Filled(AttentionCases.Geometry(), Keys, Values, 3000);
        shared.Dispose();
        using (cache)
        {
            for (int i = 0; i < 1000; i++)
            {
                using var copy = new GpuKvCache(cache, device);
                if (i % 50 == 0)
                    copy.Upload();
                Assert.Equal(device.UsedBytes, copy.DeviceBytes);
            }

            Assert.Equal(0, device.UsedBytes);
            using var one = new GpuKvCache(cache, device);
            one.Upload();
            long full = one.DeviceBytes;
            cache.Truncate(200);
            one.Upload();
            Assert.InRange(one.DeviceBytes, 1, full / 2);
            cache.Clear();
            one.Upload();
            Assert.Equal(0, one.DeviceBytes);
        }
    }

    [Fact]
    public void CopyThatIsDisposedWhileItIsReadStaysUntilThen()
    {
        (FailingContext context, GpuDevice opened) = GpuCases.Watched();
        using GpuDevice device = opened;
        CacheGeometry geometry = AttentionCases.Geometry();
        using KvCache cache = new(AttentionCases.Options(geometry, Keys, Values)), other = new(AttentionCases.Options(geometry, Keys, Values));
        AttentionCases.Append(cache, 300, seed: 1);
        AttentionCases.Append(other, 300, seed: 2);
        using GpuKvCache copy = new(cache, device), next = new(other, device);
        using var attention = new GpuAttention(device, geometry);
        float[] queries = AttentionCases.Queries(geometry, 1), expected = new float[queries.Length], actual = new float[queries.Length];
        attention.Decode(copy, 0, queries, expected);
        // Whoever comes next would write over the same memory.
        context.BeforeLaunch = () =>
        {
            copy.Dispose();
            next.Upload();
        };
        attention.Decode(copy, 0, queries, actual);
        Assert.Equal(expected, actual);
        Assert.Null(context.BeforeLaunch);
        Assert.Equal(0, copy.DeviceBytes);
        Assert.Throws<ObjectDisposedException>(() => attention.Decode([next, copy], 0, new float[2 * queries.Length], new float[2 * queries.Length]));
        // Nobody is locked out by what was refused.
        AttentionCases.Append(cache, 1, seed: 3);
        AttentionCases.Append(other, 1, seed: 3);
        next.Dispose();
        Assert.Equal(0, next.DeviceBytes);
    }

    private static GpuDevice Open()
    {
        GpuCases.RequireDevice();
        return GpuDevice.Open();
    }
}
