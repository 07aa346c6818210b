using Kvant.Gpu.Drivers;
using Kvant.Gpu.Memory;

namespace Kvant.Gpu;

/// <summary>
/// A device that attends, opened: its memory, up to a limit, and its kernels, which its driver compiles when they are needed first. Caches have copies on it
/// (<see cref="GpuKvCache"/>), <see cref="GpuAttention"/> reads them. Any number of threads may use it.
/// </summary>
/// <remarks>Any device with a driver of OpenCL 1.2 will do, and cards of NVIDIA from compute capability 8.0 on with CUDA's driver alone. Dispose what uses it first; what is left has no memory afterwards, and pages of caches that lie here alone (<see cref="GpuKvCache.Owns"/>) are lost.</remarks>
public sealed class GpuDevice : IDisposable
{
    // Of the memory of a device, what others than caches need is left alone.
    private const double ShareOfMemory = 0.9;

    /// <summary>A device of any driver.</summary>
    internal GpuDevice(GpuDeviceInfo info, DeviceContext context, long? memoryLimit)
    {
        (Info, Context) = (info, context);
        long most = (long)Math.Min(info.MemoryBytes * ShareOfMemory, (double)DeviceMemory.MostLargest * context.LargestBuffer);
        Memory = new(context, Math.Min(memoryLimit ?? most, most));
        Tables = new(Memory);
    }

    /// <summary>What it is.</summary>
    public GpuDeviceInfo Info { get; }

    /// <summary>The most bytes that are taken of its memory.</summary>
    public long MemoryLimit => Memory.Limit;

    /// <summary>Bytes that caches and calls in progress hold.</summary>
    public long UsedBytes => Memory.UsedBytes;

    /// <summary>Why <see cref="List"/> is empty; null where it is not.</summary>
    public static string? WhyNone => Found.All().Count == 0 ? OpenClDevices.WhyNone : null;

    internal DeviceContext Context { get; }

    internal DeviceMemory Memory { get; }

    internal DeviceTables Tables { get; }

    /// <summary>The devices of this machine; empty where there is neither OpenCL nor CUDA, and <see cref="WhyNone"/> says so then.</summary>
    /// <exception cref="GpuException">A driver fails.</exception>
    public static IReadOnlyList<GpuDeviceInfo> List() => [.. Found.All().Select(device => device.Info)];

    /// <summary>Opens a device.</summary>
    /// <param name="number">Its place in <see cref="List"/>.</param>
    /// <param name="memoryLimit">The most bytes of its memory that are taken, at least 0; nine tenths of what it has where null, or what ten pieces may be.</param>
    /// <exception cref="GpuException">There is no such device, it cannot do the work, or its driver fails.</exception>
    public static GpuDevice Open(int number = 0, long? memoryLimit = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(number);
        ArgumentOutOfRangeException.ThrowIfNegative(memoryLimit ?? 0, nameof(memoryLimit));
        List<Found> all = Found.All();
        if (all.Count == 0)
            throw new GpuException(OpenClDevices.WhyNone);
        if (number >= all.Count)
            throw new GpuException($"There is no device {number}: there are {all.Count}, counted from 0 ({string.Join(", ", all.Select(device => device.Info.Name))}).");
        (GpuDeviceInfo info, Func<DeviceContext> open) = all[number];
        if (info.LargestGroup < DeviceContext.GroupSize)
            throw new GpuException($"{info.Name} takes work in groups of {info.LargestGroup}; it must take {DeviceContext.GroupSize}.");
        return new(info, open(), memoryLimit);
    }

    /// <summary>Gives back all of its memory. Twice is fine.</summary>
    public void Dispose()
    {
        Memory.Dispose();
        Context.Dispose();
    }
}
