using Kvant.Gpu.Memory;

namespace Kvant.Gpu.Steps;

/// <summary>Buffers on the device that a launch needs, kept for the next.</summary>
internal sealed class Scratch(GpuDevice device)
{
    /// <summary>What is to be done.</summary>
    public GrowingBuffer Work { get; } = new(device);

    /// <summary>Who asks.</summary>
    public GrowingBuffer Queries { get; } = new(device);

    /// <summary>What ranges of rows gave.</summary>
    public GrowingBuffer Partials { get; } = new(device);

    /// <summary>The same, merged.</summary>
    public GrowingBuffer Results { get; } = new(device);

    /// <summary>Gives them back.</summary>
    public void Free()
    {
        Work.Free();
        Queries.Free();
        Partials.Free();
        Results.Free();
    }
}
