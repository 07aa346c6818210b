using Kvant.Attention;
using Kvant.Caching;
using Kvant.Gpu.Drivers;
using Kvant.Tests;
using Kvant.Tests.Attention;
using Kvant.Tests.Reference;

namespace Kvant.Gpu.Tests;

/// <summary>A device for tests, and the comparison of attention on it with double precision.</summary>
internal static class GpuCases
{
    private static readonly Lazy<GpuDevice> s_device = new(() => GpuDevice.Open());

    /// <summary>The device that all tests share; skips the test where there is none, which CI has.</summary>
    public static GpuDevice Device
    {
        get
        {
            RequireDevice();
            return s_device.Value;
        }
    }

    public static void RequireDevice() => Assert.SkipWhen(GpuDevice.WhyNone is not null, GpuDevice.WhyNone ?? "");

    /// <summary>The same device, opened once more, with a driver that counts what it is asked and fails where it shall.</summary>
    public static (FailingContext Context, GpuDevice Device) Watched()
    {
        RequireDevice();
        (GpuDeviceInfo info, Func<DeviceContext> open) = Found.All()[0];
        var context = new FailingContext(open());
        return (context, new(info, context, null));
    }

    /// <summary>Decodes one step on the device and holds output and log-sum-exp to double precision over the rows that the cache decodes.</summary>
    /// <param name="copy">The cache's copy.</param>
    /// <param name="settings">How to attend.</param>
    /// <param name="what">For the message.</param>
    /// <param name="seed">Of the queries.</param>
    /// <param name="layer">Which layer.</param>
    /// <param name="tolerance">Of outputs; a log-sum-exp has a quarter of it, as it has where floats compute.</param>
    /// <returns>The largest relative error of an output.</returns>
    public static double AssertDecode(GpuKvCache copy, AttentionSettings settings, string what, int seed = 1, int layer = 0, double tolerance = GpuTolerances.Output)
    {
        KvCache cache = copy.Cache;
        CacheGeometry g = cache.Geometry;
        LayerGeometry shape = g[layer];
        using var attention = new GpuAttention(copy.Device, g, settings);
        float[] queries = TestRows.Gaussian(shape.QueryHeads, shape.KeyDimension, seed + 2000);
        float[] outputs = new float[shape.QueryHeads * shape.ValueDimension], logSums = new float[shape.QueryHeads];
        outputs.AsSpan().Fill(float.NaN);
        attention.Decode(copy, layer, queries, outputs, logSums);
        double worst = 0;
        for (int head = 0; head < shape.QueryHeads; head++)
        {
            List<CacheAttentionReference.Row> rows = CacheAttentionReference.Rows(cache, layer, head / shape.GroupSize);
            (double[] expected, double logSum) = CacheAttentionReference.Attend(
                rows, queries.AsSpan(head * shape.KeyDimension, shape.KeyDimension), cache.LayerLength(layer) - 1, head, settings, shape.ValueDimension, shape.SlidingWindow);
            worst = Math.Max(worst, AssertOutput(expected, outputs.AsSpan(head * shape.ValueDimension, shape.ValueDimension), $"{what}, query head {head}", tolerance));
            Assert.True(
                logSum == logSums[head] || Math.Abs(logSum - logSums[head]) <= tolerance / 4 * Math.Max(1, Math.Abs(logSum)),
                $"{what}, query head {head}: log-sum-exp {logSums[head]}, expected {logSum}.");
        }

        return worst;
    }

    public static double AssertOutput(double[] expected, ReadOnlySpan<float> actual, string what, double tolerance = GpuTolerances.Output)
    {
        double error = 0, size = 0;
        for (int c = 0; c < expected.Length; c++)
            (error, size) = (error + Measure.Square(actual[c] - expected[c]), size + (expected[c] * expected[c]));
        double relative = size == 0 ? Math.Sqrt(error) : Math.Sqrt(error / size);
        Assert.True(relative <= tolerance, $"{what}: off by {relative:G3} of its length {Math.Sqrt(size):G3}.");
        return relative;
    }

    /// <summary>A cache with tokens, and its copy.</summary>
    public static (KvCache Cache, GpuKvCache Copy) Filled(CacheGeometry geometry, string keys, string values, int tokens, int sinks = 4, int window = 16, int seed = 1)
    {
        var cache = new KvCache(AttentionCases.Options(geometry, keys, values, sinks, window));
        if (tokens > 0)
            AttentionCases.Append(cache, tokens, seed);
        return (cache, new GpuKvCache(cache, Device));
    }
}
