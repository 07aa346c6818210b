namespace Kvant.Gpu.Drivers;

/// <summary>A device that a driver has, and how it is opened.</summary>
/// <param name="Info">What it is; its number is the driver's own matter until all are in one list.</param>
/// <param name="Open">Opens it.</param>
internal sealed record Found(GpuDeviceInfo Info, Func<DeviceContext> Open)
{
    /// <summary>The devices of this machine, of every driver: cards by CUDA, then all that OpenCL has (a card of NVIDIA once more, for what comes without kernels of CUDA).</summary>
    public static List<Found> All() =>
        [.. CudaDevices.All(CudaApi.Installed).Concat(OpenClDevices.All()).Select((found, number) => found with { Info = found.Info with { Number = number } })];
}
