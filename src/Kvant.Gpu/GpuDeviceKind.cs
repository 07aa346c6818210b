namespace Kvant.Gpu;

/// <summary>What a device is.</summary>
public enum GpuDeviceKind
{
    /// <summary>A graphics card, or a part of the processor that is one.</summary>
    Gpu,

    /// <summary>The processor, by a driver that compiles kernels for it (pocl): right, for tests, and no faster than the library's own attention.</summary>
    Cpu,

    /// <summary>Something else.</summary>
    Other,
}
