using Kvant.Gpu.Drivers;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>The card of the driver that exists in tests only, opened as any card of CUDA is; disposing it looks for what was not given back.</summary>
internal sealed class CudaCard : IDisposable
{
    public CudaCard(long? memoryLimit = null)
    {
        FakeCuda.Reset();
        Found found = Assert.Single(CudaDevices.All(new CudaApi(FakeCuda.Find)));
        Device = new(found.Info, found.Open(), memoryLimit);
    }

    public GpuDevice Device { get; }

    public void Dispose()
    {
        Device.Dispose();
        Assert.True(FakeCuda.Fault is null, FakeCuda.Fault);
        Assert.True(FakeCuda.IsIdle, $"{FakeCuda.Allocations} allocations, {FakeCuda.Modules} modules, {FakeCuda.Streams} streams and {FakeCuda.Retains} contexts are left.");
    }
}
