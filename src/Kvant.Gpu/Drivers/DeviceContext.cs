namespace Kvant.Gpu.Drivers;

/// <summary>What a driver does for one opened device: memory, programs, and one queue in which everything comes in order. Any thread may call it.</summary>
internal abstract class DeviceContext : IDisposable
{
    /// <summary>The largest piece of memory.</summary>
    public abstract long LargestBuffer { get; }

    /// <summary>Memory of the device.</summary>
    /// <param name="bytes">At least 1.</param>
    /// <exception cref="GpuException">There is none left, or the device is gone.</exception>
    public abstract nint Allocate(long bytes);

    /// <summary>Gives memory back, once what was begun has ended; never an error.</summary>
    public abstract void Free(nint buffer);

    /// <summary>Copies bytes to the device; the caller's are free when it returns.</summary>
    public abstract void Write(nint buffer, long offset, ReadOnlySpan<byte> bytes);

    /// <summary>Copies bytes from the device, after all that was begun before.</summary>
    public abstract void Read(nint buffer, long offset, Span<byte> bytes);

    /// <summary>A kernel, built when it is asked for first.</summary>
    /// <param name="source">Its text.</param>
    /// <param name="options">What its macros are, as a compiler takes them.</param>
    /// <param name="name">Its name in the source.</param>
    public abstract nint Kernel(KernelSource source, string options, string name);

    /// <summary>Why there is no such kernel; null where there is one, or where the driver compiles any.</summary>
    /// <param name="source">Its text.</param>
    /// <param name="options">What its macros are.</param>
    public abstract string? WhyNot(KernelSource source, string options);

    /// <summary>Begins work.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="groups">Work-groups of <see cref="GroupSize"/>.</param>
    /// <param name="buffers">Its arguments.</param>
    public abstract void Launch(nint kernel, int groups, ReadOnlySpan<nint> buffers);

    /// <summary>Work-items of a group.</summary>
    public const int GroupSize = 128;

    /// <summary>Ends everything; never an error.</summary>
    public abstract void Dispose();
}
