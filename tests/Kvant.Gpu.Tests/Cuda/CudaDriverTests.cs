using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Gpu.Drivers;
using Kvant.Tests.Attention;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Cards are found, refused and given back as drivers of CUDA have them.</summary>
[Collection(FakeCudaCollection.Name)]
public sealed unsafe class CudaDriverTests
{
    private static readonly AttentionSettings s_settings = new() { Arithmetic = Arithmetic.Exact };

    [Fact]
    public void CardIsDescribed()
    {
        using var card = new CudaCard(1 << 20);
        GpuDeviceInfo info = card.Device.Info;
        Assert.Equal((GpuDeviceKind.Gpu, "CUDA 12.4", 1L << 30, true), (info.Kind, info.Driver, info.MemoryBytes, info.IsExact));
        Assert.Equal(1 << 20, card.Device.MemoryLimit);
    }

    [Fact]
    public void WithoutAUsableCardThereIsNone()
    {
        FakeCuda.Reset();
        Assert.Empty(CudaDevices.All(null));
        var cuda = new CudaApi(FakeCuda.Find);
        FakeCuda.Capability = 75;
        Assert.Empty(CudaDevices.All(cuda));
        FakeCuda.Failures["cuInit"] = 100;
        Assert.Empty(CudaDevices.All(cuda));
        FakeCuda.Missing.Add("cuCtxPushCurrent_v2");
        Assert.Contains("cuCtxPushCurrent", Assert.Throws<EntryPointNotFoundException>(() => new CudaApi(FakeCuda.Find)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void CodecsWithoutKernelsAreRefusedAndSayWhatHasThem()
    {
        using var card = new CudaCard();
        using var cache = new KvCache(AttentionCases.Options(AttentionCases.Geometry(), "turboquant:bits=3", "turboquant:bits=3"));
        string message = Assert.Throws<NotSupportedException>(() => new GpuKvCache(cache, card.Device)).Message;
        Assert.Contains("turboquant:bits=3", message, StringComparison.Ordinal);
        Assert.Contains("OpenCL", message, StringComparison.Ordinal);
        using var odd = new KvCache(KvCacheOptions.Preset("balanced", AttentionCases.Geometry(keys: 96, values: 96)));
        Assert.Throws<NotSupportedException>(() => new GpuKvCache(odd, card.Device));
        // Of frames, those that turn all channels or none.
        CacheGeometry geometry = AttentionCases.Geometry();
        foreach ((int turned, bool taken) in ((int, bool)[])[(0, true), (64, true), (32, false)])
        {
            using var frames = new KvCache(KvCacheOptions.Preset("balanced", geometry with { Rotary = new() { Dimension = turned } }));
            Action open = () => new GpuKvCache(frames, card.Device).Dispose();
            if (taken)
                open();
            else
                Assert.Throws<NotSupportedException>(open);
        }
    }

    [Fact]
    public void ContextOfTheThreadStaysWhatItWas()
    {
        using var card = new CudaCard();
        var cuda = new CudaApi(FakeCuda.Find);
        nint mine, current;
        Assert.Equal(0, cuda.PrimaryRetain(&mine, 0));
        Assert.NotEqual(0, cuda.PopCurrent(&current)); // nothing was current
        using (KvCache cache = Filled())
        using (var copy = new GpuKvCache(cache, card.Device))
            GpuCases.AssertDecode(copy, s_settings, "balanced");
        Assert.NotEqual(0, cuda.PopCurrent(&current)); // and nothing is
        Assert.Equal(0, cuda.PrimaryRelease(0));
    }

    public static TheoryData<string> Functions =>
        ["cuMemAlloc_v2", "cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2", "cuModuleLoadDataEx", "cuModuleGetFunction", "cuLaunchKernel", "cuStreamSynchronize", "cuCtxPushCurrent_v2"];

    [Theory]
    [MemberData(nameof(Functions))]
    public void FunctionThatFailsIsNamedAndNothingIsLeft(string function)
    {
        using var card = new CudaCard();
        using KvCache cache = Filled();
        using (var copy = new GpuKvCache(cache, card.Device, encodes: true))
        {
            FakeCuda.Failures[function] = 999;
            using var attention = new GpuAttention(card.Device, cache.Geometry);
            float[] outputs = new float[cache.Geometry.QueryHeads * 64];
            string message = Assert.Throws<GpuException>(() => attention.Decode(copy, 0, AttentionCases.Queries(cache.Geometry, 1), outputs)).Message;
            Assert.Contains("CUDA_ERROR_UNKNOWN", message, StringComparison.Ordinal);
            (float[] keys, float[] values) = AttentionCases.Rows(cache.Geometry, 128, 5);
            Assert.Throws<GpuException>(() => copy.Append(0, keys, values));
            Assert.Equal(200, cache.LayerLength(0));
            FakeCuda.Failures.Clear();
            GpuCases.AssertDecode(copy, s_settings, "after a failure");
        }
    }

    [Fact]
    public void OpeningThatFailsLeavesNothing()
    {
        foreach (string function in (string[])["cuDevicePrimaryCtxRetain", "cuCtxPushCurrent_v2", "cuStreamCreate"])
        {
            FakeCuda.Reset();
            Found found = Assert.Single(CudaDevices.All(new CudaApi(FakeCuda.Find)));
            FakeCuda.Failures[function] = 999;
            Assert.Throws<GpuException>(() => found.Open());
            Assert.True(FakeCuda.IsIdle, function);
        }
    }

    [Fact]
    public void ManyThreadsShareACard()
    {
        using var card = new CudaCard();
        Parallel.For(0, 6, i =>
        {
            using KvCache cache = Filled(100 + (20 * i));
            using var copy = new GpuKvCache(cache, card.Device);
            GpuCases.AssertDecode(copy, s_settings, $"thread {i}", seed: i);
        });
    }

    private static KvCache Filled(int tokens = 200)
    {
        CacheGeometry geometry = AttentionCases.Geometry() with { Rotary = new() { Base = 10_000 } };
        var cache = new KvCache(KvCacheOptions.Preset("balanced", geometry) with { Sinks = 4, Window = 16 });
        AttentionCases.Append(cache, tokens, seed: 3);
        return cache;
    }
}
