using Kvant.Caching;
using Kvant.Formats;
using Kvant.Tests.Attention;

namespace Kvant.Gpu.Tests;

/// <summary>A driver may fail at any call: it is said, the cache is as it was, and where the device is there again the answer is right.</summary>
public sealed class LossTests
{
    [Fact]
    public void EveryCallOfTheDriverMayFail()
    {
        (FailingContext context, GpuDevice opened) = GpuCases.Watched();
        using GpuDevice device = opened;
        using var cache = new KvCache(AttentionCases.Options(AttentionCases.Geometry(), "turboquant:bits=4", "turboquant:bits=4"));
        using var copy = new GpuKvCache(cache, device);
        using var attention = new GpuAttention(device, cache.Geometry);
        float[] queries = AttentionCases.Queries(cache.Geometry, 1), outputs = new float[queries.Length];
        (float[] keys, float[] values) = AttentionCases.Rows(cache.Geometry, 1, 9);
        int failures = 0;
        for (int calls = 0, seed = 0; calls < 40; calls++)
        {
            AttentionCases.Append(cache, 33, seed++);
            byte[] before = cache.Freeze();
            context.CallsBeforeFailure = calls % 20; // the first calls of a step send blocks and tokens
            try
            {
                if (calls % 2 == 0)
                    attention.Decode(copy, 0, queries, outputs);
                else
                    attention.Prefill(copy, 0, queries, keys, values, outputs, append: false);
            }
            catch (GpuException lost)
            {
                Assert.Equal("The device was lost.", lost.Message);
                failures++;
            }

            context.CallsBeforeFailure = -1;
            Assert.Equal(before, cache.Freeze());
            if (calls % 8 == 7)
                GpuCases.AssertDecode(copy, new(), $"after a failure at call {calls}");
        }

        // A step has some fifteen calls.
        Assert.InRange(failures, 8, 38);
        copy.Dispose();
        attention.Dispose();
        Assert.InRange(device.UsedBytes, 0, 1 << 16); // tables that all caches share
    }
}
